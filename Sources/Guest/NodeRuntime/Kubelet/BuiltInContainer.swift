import CNodeShim
import Glibc
import Kubelet
import KubeletServer
import KubeletService
import LinuxKernel
import NodeProtocol
import PodWorkloads
import Prober
import Synchronization

/// A container whose work is one of the lab's own. There is no process.
///
/// - `pause` does nothing.
/// - `echo` answers the prober's packets and HTTP requests on its ports.
/// - `http` and `json-mock` answer requests, and the prober's packets all the same.
/// - `webhook` is an admission webhook; it needs a certificate.
///
/// With a certificate (`TLS_CERT_FILE`, `TLS_KEY_FILE`) `echo`, `http` and `json-mock` serve HTTPS at their TCP ports.
final class BuiltInContainer: Sendable {
    /// The port that answers where a container names none.
    static let defaultPort: UInt16 = 8080
    static let defaultWebhookPort: UInt16 = 8443
    private static let certificateFolder = "/etc/webhook/certs"

    let plan: ContainerPlan
    private let owner: NodeProtocol.PodReference
    private let receivers: Receivers
    private let log: ContainerLog
    private let ended: @Sendable (ContainerExit) -> Void
    private let hasEnded = Mutex(false)
    /// What programs that are executed in it see as their files; nil before the first one.
    private let root = Mutex<ContainerRoot?>(nil)
    private let secure = Mutex<SecureServer.Listeners?>(nil)

    /// What a built-in workload needs of its node.
    struct Place: Sendable {
        let namespacePath: String
        let receivers: Receivers
        let secure: SecureServer
        /// Finds a file of the container among its volumes; nil if it is in none.
        let file: @Sendable (String) throws -> String?
    }

    /// - Throws: `PodRuntimeError` for a workload that the node does not have, and for a certificate that is not there;
    ///   `SystemError` when a port is taken.
    init(
        _ name: String, _ plan: ContainerPlan, in place: Place, log: ContainerLog,
        ended: @escaping @Sendable (ContainerExit) -> Void
    ) throws {
        self.plan = plan
        let pod = plan.identity.pod
        owner = NodeProtocol.PodReference(namespace: pod.namespace, name: "\(pod.name)/\(plan.identity.name)")
        receivers = place.receivers
        self.log = log
        self.ended = ended
        let environment = Dictionary(plan.environment.map { ($0.name, $0.value) }) { $1 }
        switch name {
        case "pause": return
        case "echo": try serve("echo", web: nil, environment, place)
        case "http": try serve("http", web: WebEcho.answer, environment, place)
        case "json-mock": try serve("json-mock", web: JSONMock(environment: environment).answer, environment, place)
        case "webhook":
            let ports = ports(environment, Self.defaultWebhookPort)
            try serveSecurely("webhook", ports, AdmissionWebhook(environment: environment).answer, environment, place)
        default: throw PodRuntimeError("the node has no built-in workload \"\(name)\"")
        }
    }

    private func ports(_ environment: [String: String], _ usual: UInt16) -> [UInt16] {
        let given = plan.ports.isEmpty ? [environment["PORT"].flatMap { UInt16($0) } ?? usual] : plan.ports
        var seen: Set<UInt16> = []
        return given.filter { $0 > 0 && seen.insert($0).inserted }
    }

    private func serve(
        _ name: String, web: WebReceiver?, _ environment: [String: String], _ place: Place
    ) throws {
        let ports = ports(environment, Self.defaultPort)
        if environment["TLS_CERT_FILE"] != nil || environment["TLS_KEY_FILE"] != nil {
            return try serveSecurely(name, ports, web ?? WebEcho.answer, environment, place)
        }
        try receivers.openPorts(ports, owner: owner, in: try NetworkNamespace(path: place.namespacePath), web: web)
        say("\(name): TCP and UDP \(Self.words(ports))")
    }

    private func serveSecurely(
        _ name: String, _ ports: [UInt16], _ answer: @escaping WebReceiver, _ environment: [String: String],
        _ place: Place
    ) throws {
        let chain = try Self.text(environment["TLS_CERT_FILE"] ?? Self.certificateFolder + "/tls.crt", place)
        let key = try Self.text(environment["TLS_KEY_FILE"] ?? Self.certificateFolder + "/tls.key", place)
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
        secure.withLock { $0 = listeners }
        say("\(name): HTTPS \(Self.words(ports))")
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

    private func say(_ text: String) { log.append("\(text)\n".utf8, to: .output, at: .now()) }

    /// Returns the root of programs that are executed in it: the userland, with the pod's name servers, hosts and name.
    ///
    /// - Throws: `SystemError` when it cannot be made; `PodRuntimeError` when the container has ended.
    func rootOfExecutions(resolver: String, hostname: String) throws -> ContainerRoot {
        try root.withLock { root in
            if let root { return root }
            guard !hasEnded.withLock({ $0 }) else {
                throw PodRuntimeError("container not running (\(plan.identity.id))")
            }
            let made = ContainerRoot(plan.identity)
            try made.make(resolver: resolver, hosts: plan.hostsFile, hostname: hostname)
            root = made
            return made
        }
    }

    /// Ends it; only the first call counts.
    func end(exitCode: Int32) {
        let isFirst = hasEnded.withLock { hasEnded in
            defer { hasEnded = true }
            return !hasEnded
        }
        guard isFirst else { return }
        receivers.close(owner)
        secure.withLock { $0 }?.close()
        root.withLock { root in
            root?.remove()
            root = nil
        }
        log.finish(at: .now())
        let ended = ended
        startThread("container-end") { ended(ContainerExit(exitCode: exitCode)) }
    }
}
