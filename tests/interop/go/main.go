// Command peer is Go's crypto/tls as a TLS client or server for the tests of aiotls.
//
// As a server it sends back all that it receives. As a client it connects its standard
// streams to the connection, and ends it when the standard input ends.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

var (
	listen     = flag.Bool("listen", false, "be a server")
	address    = flag.String("address", "127.0.0.1:0", "where to connect to or to listen")
	serverName = flag.String("servername", "localhost", "the name to ask for and to verify")
	chain      = flag.String("chain", "", "a file with a certificate chain in PEM")
	key        = flag.String("key", "", "a file with its key in PEM")
	trust      = flag.String("trust", "", "a file with the authorities to accept in PEM")
	groups     = flag.String("groups", "", "code points of the groups, in order of preference")
	alpn       = flag.String("alpn", "", "application protocols, in order of preference")
	minimum    = flag.Uint("min", tls.VersionTLS13, "the oldest version")
	resume     = flag.Bool("resume", false, "as a client: connect twice")
	staple     = flag.String("staple", "", "a file with an OCSP response in DER")
	timestamp  = flag.String("timestamp", "", "a certificate timestamp, as text")
	echList    = flag.String("ech-list", "", "as a client: an ECHConfigList, in hexadecimal")
	echConfig  = flag.String("ech-config", "", "as a server: an ECHConfig, in hexadecimal")
	echKey     = flag.String("ech-key", "", "its private key, in hexadecimal")
	maximum    = flag.Uint("max", tls.VersionTLS13, "the newest version")
)

func main() {
	flag.Parse()
	config, err := configuration()
	if err == nil && *listen {
		err = serve(config)
	} else if err == nil {
		err = connect(config)
	}
	if err != nil {
		var rejection *tls.ECHRejectionError
		if errors.As(err, &rejection) {
			fmt.Fprintf(os.Stderr, "retry=%x\n", rejection.RetryConfigList)
		}
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func configuration() (*tls.Config, error) {
	config := &tls.Config{
		ServerName: *serverName,
		MinVersion: uint16(*minimum),
		MaxVersion: uint16(*maximum),
	}
	if *chain != "" {
		certificate, err := tls.LoadX509KeyPair(*chain, *key)
		if err != nil {
			return nil, err
		}
		if *staple != "" {
			if certificate.OCSPStaple, err = os.ReadFile(*staple); err != nil {
				return nil, err
			}
		}
		if *timestamp != "" {
			certificate.SignedCertificateTimestamps = [][]byte{[]byte(*timestamp)}
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	if *trust != "" {
		pem, err := os.ReadFile(*trust)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificates in " + *trust)
		}
		config.RootCAs = pool
		if *listen {
			config.ClientCAs = pool
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	for _, group := range strings.FieldsFunc(*groups, isComma) {
		number, err := strconv.ParseUint(group, 0, 16)
		if err != nil {
			return nil, err
		}
		config.CurvePreferences = append(config.CurvePreferences, tls.CurveID(number))
	}
	list, err := hex.DecodeString(*echList)
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		config.EncryptedClientHelloConfigList = list
	}
	if *echConfig != "" {
		key := tls.EncryptedClientHelloKey{SendAsRetry: true}
		if key.Config, err = hex.DecodeString(*echConfig); err != nil {
			return nil, err
		}
		if key.PrivateKey, err = hex.DecodeString(*echKey); err != nil {
			return nil, err
		}
		config.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{key}
	}
	config.NextProtos = strings.FieldsFunc(*alpn, isComma)
	return config, nil
}

func isComma(r rune) bool { return r == ',' }

func serve(config *tls.Config) error {
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return err
	}
	for {
		plain, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer plain.Close()
			connection := tls.Server(plain, config)
			if err := connection.Handshake(); err != nil {
				fmt.Fprintln(os.Stderr, "error:", err)
				return
			}
			describe(connection)
			if _, err := io.Copy(connection, connection); err != nil {
				fmt.Fprintln(os.Stderr, "error:", err)
				return
			}
			connection.Close()
		}()
	}
}

func connect(config *tls.Config) error {
	if *resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		if err := once(config); err != nil {
			return err
		}
	}
	connection, err := tls.Dial("tcp", *address, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	describe(connection)
	received := make(chan error, 1)
	go func() {
		_, err := io.Copy(os.Stdout, connection)
		os.Stdout.Close()
		received <- err
	}()
	if _, err := io.Copy(connection, os.Stdin); err != nil {
		// What the server had to say about it is worth more than that it hung up.
		if reason := <-received; reason != nil {
			return reason
		}
		return err
	}
	return connection.CloseWrite()
}

// once sends one line and takes it back; what reads it takes the tickets before it as well.
func once(config *tls.Config) error {
	connection, err := tls.Dial("tcp", *address, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	line := []byte("line\n")
	if _, err := connection.Write(line); err != nil {
		return err
	}
	_, err = io.ReadFull(connection, line)
	return err
}

func describe(connection *tls.Conn) {
	state := connection.ConnectionState()
	material, err := state.ExportKeyingMaterial("EXPERIMENTAL-aiotls", nil, 20)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
	}
	fmt.Fprintf(os.Stderr, "exported=%x unique=%x staple=%x timestamps=%q\n",
		material, state.TLSUnique, state.OCSPResponse, state.SignedCertificateTimestamps)
	fmt.Fprintf(os.Stderr, "%s %s %s alpn=%q hello_retry=%t resumed=%t ech=%t\n",
		tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), state.CurveID,
		state.NegotiatedProtocol, state.HelloRetryRequest, state.DidResume,
		state.ECHAccepted)
}
