import CNodeShim
import Glibc
import KubeletService
import LinuxKernel
import NodeProtocol
import PodWorkloads
import Prober

/// The work of a container whose image is one of the lab's own, done by the node's runtime in the pod's network.
///
/// - `pause` does nothing.
/// - `echo` answers the prober's packets and HTTP requests on its ports.
/// - `http` and `json-mock` answer requests, and the prober's packets all the same.
/// - `webhook` is an admission webhook; it needs a certificate.
///
/// With a certificate (`TLS_CERT_FILE`, `TLS_KEY_FILE`) `echo`, `http` and `json-mock` serve HTTPS at their TCP ports.
final class BuiltInWorkload: Sendable {
    /// The port that answers where a container names none.
    static let defaultPort: UInt16 = 8080
    static let defaultWebhookPort: UInt16 = 8443
    private static let certificateFolder = "/etc/webhook/certs"

    /// What it needs of its node.
    struct Place: Sendable {
        let namespacePath: String
        let receivers: Receivers
        let secure: SecureServer
        /// Finds a file of the container among its volumes; nil if it is in none.
        let file: @Sendable (String) throws -> String?
    }

    /// What a container asks for.
    struct Request: Sendable {
        var name: String
        /// A name for the receivers, of the pod and the container.
        var owner: NodeProtocol.PodReference
        var ports: [UInt16]
        var environment: [String: String]
    }

    /// What it says of itself, a line; nil if it has nothing to say.
    let words: String?
    private let request: Request
    private let receivers: Receivers
    private let secure: SecureServer.Listeners?

    /// - Throws: `PodRuntimeError` for a workload that the node does not have, and for a certificate that is not there;
    ///   `SystemError` when a port is taken.
    init(_ request: Request, in place: Place) throws {
        self.request = request
        receivers = place.receivers
        let environment = request.environment
        switch request.name {
        case "pause": (words, secure) = (nil, nil)
        case "echo": (words, secure) = try Self.serve(request, web: nil, place)
        case "http": (words, secure) = try Self.serve(request, web: WebEcho.answer, place)
        case "json-mock":
            (words, secure) = try Self.serve(request, web: JSONMock(environment: environment).answer, place)
        case "webhook":
            (words, secure) = try Self.serveSecurely(
                request, Self.ports(request, Self.defaultWebhookPort),
                AdmissionWebhook(environment: environment).answer, place)
        default: throw PodRuntimeError("the node has no built-in workload \"\(request.name)\"")
        }
    }

    func end() {
        receivers.close(request.owner)
        secure?.close()
    }

    private static func ports(_ request: Request, _ usual: UInt16) -> [UInt16] {
        let own = request.environment["PORT"].flatMap { UInt16($0) } ?? usual
        var seen: Set<UInt16> = []
        return (request.ports.isEmpty ? [own] : request.ports).filter { $0 > 0 && seen.insert($0).inserted }
    }

    private static func serve(
        _ request: Request, web: WebReceiver?, _ place: Place
    ) throws -> (String, SecureServer.Listeners?) {
        let ports = ports(request, defaultPort)
        if request.environment["TLS_CERT_FILE"] != nil || request.environment["TLS_KEY_FILE"] != nil {
            return try serveSecurely(request, ports, web ?? WebEcho.answer, place)
        }
        try place.receivers.openPorts(
            ports, owner: request.owner, in: try NetworkNamespace(path: place.namespacePath), web: web)
        return ("\(request.name): TCP and UDP \(words(ports))", nil)
    }

    private static func serveSecurely(
        _ request: Request, _ ports: [UInt16], _ answer: @escaping WebReceiver, _ place: Place
    ) throws -> (String, SecureServer.Listeners?) {
        let chain = try text(request.environment["TLS_CERT_FILE"] ?? certificateFolder + "/tls.crt", place)
        let key = try text(request.environment["TLS_KEY_FILE"] ?? certificateFolder + "/tls.key", place)
        let sockets = try NetworkNamespace(path: place.namespacePath).run {
            var opened: [Int32] = []
            do {
                for port in ports { opened.append(try check("listen", "tcp \(port)") { node_tcp_listener(port, 128) }) }
            } catch {
                for socket in opened { _ = FileDescriptor(owning: socket) }
                throw error
            }
            return opened
        }
        let listeners = try place.secure.serve(sockets, chainPEM: chain, keyPEM: key, answer: answer)
        return ("\(request.name): HTTPS \(words(ports))", listeners)
    }

    /// The text of one of the container's files.
    private static func text(_ path: String, _ place: Place) throws -> String {
        guard let source = try place.file(path) else {
            throw PodRuntimeError("open \(path): no such file or directory: no volume of the container has it")
        }
        do {
            return String(decoding: try FileDescriptor.open(source, O_RDONLY).read(upTo: 1 << 20), as: UTF8.self)
        } catch {
            throw PodRuntimeError("open \(path): \(error)")
        }
    }

    private static func words(_ ports: [UInt16]) -> String { ports.map { "\($0)" }.joined(separator: ", ") }
}
