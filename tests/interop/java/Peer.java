import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * Java's JSSE as a TLS client or server for the tests of aiotls; each option is name=value.
 *
 * <p>As a server it sends back all that it receives. As a client it connects its standard
 * streams to the connection, and ends it when the standard input ends.
 */
public final class Peer {
    private static final char[] PASSWORD = "password".toCharArray();
    private static final Map<String, String> OPTIONS = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            OPTIONS.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        try {
            if (OPTIONS.containsKey("listen")) {
                serve();
            } else {
                connect();
            }
        } catch (IOException error) {
            report(error);
            System.exit(1);
        }
        System.exit(0);
    }

    private static SSLContext context() throws Exception {
        KeyManagerFactory identity = null;
        TrustManagerFactory trust = null;
        if (OPTIONS.containsKey("chain")) {
            KeyStore store = emptyStore();
            store.setKeyEntry("self", key(), PASSWORD, certificates(OPTIONS.get("chain")));
            identity = KeyManagerFactory.getInstance("PKIX");
            identity.init(store, PASSWORD);
        }
        if (OPTIONS.containsKey("trust")) {
            KeyStore store = emptyStore();
            for (Certificate authority : certificates(OPTIONS.get("trust"))) {
                store.setCertificateEntry("authority" + store.size(), authority);
            }
            trust = TrustManagerFactory.getInstance("PKIX");
            trust.init(store);
        }
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(
                identity == null ? null : identity.getKeyManagers(),
                trust == null ? null : trust.getTrustManagers(),
                null);
        return context;
    }

    private static KeyStore emptyStore() throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, PASSWORD);
        return store;
    }

    private static Certificate[] certificates(String path) throws Exception {
        byte[] pem = Files.readAllBytes(Path.of(path));
        return CertificateFactory.getInstance("X.509")
                .generateCertificates(new ByteArrayInputStream(pem))
                .toArray(new Certificate[0]);
    }

    private static java.security.Key key() throws Exception {
        String pem = Files.readString(Path.of(OPTIONS.get("key")), StandardCharsets.US_ASCII);
        String body = pem.replaceAll("-----(BEGIN|END) PRIVATE KEY-----", "");
        PKCS8EncodedKeySpec encoded =
                new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(body.trim()));
        for (String algorithm : List.of("EC", "RSA", "EdDSA")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(encoded);
            } catch (java.security.spec.InvalidKeySpecException mismatch) {
                // The key is of another kind.
            }
        }
        throw new IOException("a private key of an unknown kind");
    }

    private static SSLParameters restrict(SSLParameters parameters) {
        String version = OPTIONS.getOrDefault("version", "TLSv1.3");
        parameters.setProtocols(new String[] {version});
        if (OPTIONS.containsKey("suites")) {
            parameters.setCipherSuites(OPTIONS.get("suites").split(","));
        }
        if (OPTIONS.containsKey("packet")) {
            parameters.setMaximumPacketSize(Integer.parseInt(OPTIONS.get("packet")));
        }
        if (OPTIONS.containsKey("alpn")) {
            parameters.setApplicationProtocols(OPTIONS.get("alpn").split(","));
        }
        return parameters;
    }

    private static void serve() throws Exception {
        int port = Integer.parseInt(OPTIONS.get("port"));
        SSLServerSocket listener =
                (SSLServerSocket)
                        context()
                                .getServerSocketFactory()
                                .createServerSocket(port, 16, InetAddress.getLoopbackAddress());
        SSLParameters parameters = restrict(listener.getSSLParameters());
        parameters.setNeedClientAuth(OPTIONS.containsKey("trust"));
        listener.setSSLParameters(parameters);
        while (true) {
            SSLSocket connection = (SSLSocket) listener.accept();
            new Thread(() -> echo(connection)).start();
        }
    }

    private static void echo(SSLSocket connection) {
        try (connection) {
            connection.startHandshake();
            describe(connection);
            if (OPTIONS.containsKey("renegotiate")) {
                connection.startHandshake();
            }
            copy(connection.getInputStream(), connection.getOutputStream());
        } catch (IOException error) {
            report(error);
        }
    }

    private static void report(Throwable error) {
        for (; error != null; error = error.getCause()) {
            System.err.println("error: " + error);
        }
    }

    private static void connect() throws Exception {
        SSLContext context = context();
        if (OPTIONS.containsKey("resume")) {
            // One line there and back; what reads it takes the tickets before it as well.
            try (SSLSocket connection = open(context)) {
                connection.getOutputStream().write("line\n".getBytes(StandardCharsets.US_ASCII));
                connection.getInputStream().readNBytes(5);
            }
        }
        converse(open(context));
    }

    private static SSLSocket open(SSLContext context) throws Exception {
        int port = Integer.parseInt(OPTIONS.get("port"));
        // The name is looked for in the certificate; there is no other that could be found there.
        byte[] loopback = InetAddress.getLoopbackAddress().getAddress();
        InetAddress host = InetAddress.getByAddress(OPTIONS.get("name"), loopback);
        SSLSocket connection =
                (SSLSocket) context.getSocketFactory().createSocket(host, port);
        SSLParameters parameters = restrict(connection.getSSLParameters());
        parameters.setServerNames(List.of(new SNIHostName(OPTIONS.get("name"))));
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        connection.setSSLParameters(parameters);
        connection.startHandshake();
        describe(connection);
        if (OPTIONS.containsKey("renegotiate")) {
            connection.startHandshake();
        }
        return connection;
    }

    private static void converse(SSLSocket connection) throws Exception {
        Thread receiver =
                new Thread(
                        () -> {
                            try {
                                copy(connection.getInputStream(), System.out);
                            } catch (IOException error) {
                                report(error);
                            }
                            System.out.close();
                        });
        receiver.start();
        copy(System.in, connection.getOutputStream());
        connection.shutdownOutput();
        receiver.join(5000);
        connection.close();
    }

    private static void copy(InputStream from, OutputStream to) throws IOException {
        byte[] buffer = new byte[1 << 16];
        for (int size = from.read(buffer); size >= 0; size = from.read(buffer)) {
            to.write(buffer, 0, size);
            to.flush();
        }
    }

    private static void describe(SSLSocket connection) {
        if (connection.getUseClientMode()) {
            ExtendedSSLSession session = (ExtendedSSLSession) connection.getSession();
            for (byte[] response : session.getStatusResponses()) {
                System.err.println("staple=" + HexFormat.of().formatHex(response));
            }
        }
        System.err.println(
                connection.getSession().getProtocol()
                        + " "
                        + connection.getSession().getCipherSuite()
                        + " alpn="
                        + connection.getApplicationProtocol());
    }
}
