// Node.js as a TLS client or server for the tests of aiotls; its options are one JSON object.
//
// As a server it sends back all that it receives. As a client it connects its standard
// streams to the connection, and ends it when the standard input ends.
'use strict'

const fs = require('node:fs')
const tls = require('node:tls')

const { listen, host, port, chain, key, trust, resume, staple, psk, label, renegotiate, ...rest } = JSON.parse(process.argv[2])
const options = rest
if (chain) options.cert = fs.readFileSync(chain)
if (key) options.key = fs.readFileSync(key)
if (trust) options.ca = fs.readFileSync(trust)
if (psk) {
  const known = { psk: Buffer.from(psk.secret, 'hex'), identity: psk.identity }
  // A server is asked by the identity, a client without one.
  options.pskCallback = listen
    ? (_, identity) => identity === psk.identity ? known.psk : null
    : () => known
  if (!listen) options.checkServerIdentity = () => undefined
}

function report (error) {
  process.stderr.write(`error: ${error.code} ${error.message}\n`)
}

function describe (socket) {
  const group = socket.getEphemeralKeyInfo()?.name ?? ''
  process.stderr.write(
    `${socket.getProtocol()} ${socket.getCipher().standardName} ${group} alpn=${socket.alpnProtocol} ` +
    `finished=${hex(socket.getFinished())} peer_finished=${hex(socket.getPeerFinished())} ` +
    `exported=${label ? hex(socket.exportKeyingMaterial(20, label)) : ''}\n`)
}

function hex (data) {
  return data?.toString('hex') ?? ''
}

if (listen) {
  if (trust) options.requestCert = options.rejectUnauthorized = true
  const server = tls.createServer(options, socket => {
    describe(socket)
    socket.on('error', report)
    if (renegotiate) socket.renegotiate({}, error => error && report(error))
    socket.pipe(socket)
  })
  server.on('tlsClientError', report)
  const sessions = new Map() // of TLS 1.2, by their ids
  server.on('newSession', (id, data, done) => { sessions.set(hex(id), data); done() })
  server.on('resumeSession', (id, done) => done(null, sessions.get(hex(id)) ?? null))
  if (staple) {
    server.on('OCSPRequest', (certificate, issuer, done) => done(null, fs.readFileSync(staple)))
  }
  server.listen(port, host)
} else if (resume) {
  // One line there and back; what reads it takes the tickets before it as well.
  const first = tls.connect({ ...options, host, port }, () => first.write('line\n'))
  let session
  first.on('session', data => { session = data })
  first.on('data', () => first.end())
  first.on('error', report)
  first.on('close', () => converse({ session }))
} else {
  converse({})
}

function converse (more) {
  const socket = tls.connect({ ...options, ...more, host, port }, () => {
    describe(socket)
    if (renegotiate) socket.renegotiate({}, error => error && report(error))
    process.stdin.pipe(socket)
    socket.pipe(process.stdout)
  })
  socket.on('OCSPResponse', response => process.stderr.write(`staple=${hex(response)}\n`))
  socket.on('error', error => {
    report(error)
    process.exit(1)
  })
  socket.on('close', () => process.exit(0))
}
