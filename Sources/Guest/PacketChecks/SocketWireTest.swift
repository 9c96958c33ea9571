import BPF
import Datapath
import DatapathModel
import LinuxKernel
import NetAddress
import Netlink

#if canImport(Glibc)
    import Glibc
#endif

/// Checks services at the socket, in a control group made for it: the program talks to a backend and sees the frontend.
enum SocketWireTest {
    private static let mountPoint = "/run/labrun-selftest-cgroup"
    private static let group = mountPoint + "/labrun-selftest"
    private static let service = IPv4Address(10, 100, 0, 20)
    private static let empty = IPv4Address(10, 100, 0, 21)
    private static let backend = IPv4Address(127, 0, 0, 1)
    private static let servicePort: UInt16 = 53
    private static let backendPort: UInt16 = 10_053

    /// Returns the problems found.
    static func problems() throws -> [String] {
        try NetworkNamespace.create().run {
            try NetlinkSocket().setUp("lo")
            return try runInNamespace()
        }
    }

    private static func runInNamespace() throws -> [String] {
        try AtomicFile.makeDirectories(mountPoint)
        // A mount of the test's own shows the same hierarchy, whether or not the node has mounted it.
        try mountFilesystem("cgroup2", on: mountPoint, type: "cgroup2")
        defer {
            try? unmountFilesystem(mountPoint, lazily: true)
            rmdir(mountPoint)
        }
        try AtomicFile.makeDirectories(group)
        let home = try ownGroup()
        try enter(group)
        defer {
            try? enter(home)
            rmdir(group)
        }
        var object = try EmbeddedObject.sock.open()
        try object.load()
        try fill(object)
        try SocketPrograms.take(from: object).attach(to: group)
        let found = try exchange()
        for hook in ControlGroupHook.allCases { try Program.detach(fromControlGroup: group, hook) }
        let after = code {
            let socket = try TestSocket(stream: false)
            try socket.connect(to: service, servicePort)
        }
        return after == ENETUNREACH ? found : found + ["still translated after detaching: error \(after)"]
    }

    /// Returns the process's own group below the mount, from `/proc/self/cgroup`.
    private static func ownGroup() throws -> String {
        let text = String(decoding: try AtomicFile.read("/proc/self/cgroup") ?? [], as: UTF8.self)
        let path = text.split(separator: "\n").first { $0.hasPrefix("0::") }?.dropFirst(3) ?? "/"
        return mountPoint + path
    }

    private static func enter(_ group: String) throws(SystemError) {
        try FileDescriptor.open(group + "/cgroup.procs", O_WRONLY).writeAll("0".utf8)
    }

    private static func fill(_ object: borrowing Object) throws {
        guard let config = TestNode.config(.services) else { throw SelftestFailure(description: "no configuration") }
        let configs: Map<UInt32, ConfigEntry> = try object.map(MapName.config)
        try configs.update(ConfigEntry(config), for: 0)
        let services: Map<ServiceKey, ServiceEntry> = try object.map(MapName.services)
        let backends: Map<UInt32, BackendEntry> = try object.map(MapName.backends)
        for number in [TestServices.tcp, TestServices.udp] {
            try backends.update(
                BackendEntry(backend, port: backendPort, protocol: number, isActive: true), for: 1)
            try services.update(
                ServiceEntry(backend: 1), for: ServiceKey(service, port: servicePort, protocol: number, slot: 1))
            try services.update(
                ServiceEntry(backends: 1, reverseIndex: 1),
                for: ServiceKey(service, port: servicePort, protocol: number))
            try services.update(
                ServiceEntry(backends: 0, reverseIndex: 2), for: ServiceKey(empty, port: servicePort, protocol: number))
        }
    }

    private static func exchange() throws -> [String] {
        var problems: [String] = []
        let listening = try TestSocket.listening(backend, backendPort)
        let stream = try TestSocket(stream: true)
        try stream.connect(to: service, servicePort)
        let accepted = try listening.accept()
        try stream.send("question")
        if try accepted.receive() != "question" { problems.append("TCP: another question") }
        let peer = try stream.peer()
        if peer != (service, servicePort) { problems.append("TCP: getpeername says \(peer.address):\(peer.port)") }

        let server = try TestSocket.bound(backend, backendPort, stream: false)
        let connected = try TestSocket(stream: false)
        try connected.connect(to: service, servicePort)
        try connected.send("question")
        _ = try server.echo()
        if try connected.receive() != "question" { problems.append("connected UDP: another answer") }
        let loose = try TestSocket(stream: false)
        try loose.send("question", to: service, servicePort)
        _ = try server.echo()
        let from = try loose.receiveFrom()
        if from != (service, servicePort) { problems.append("UDP: the answer is from \(from.address):\(from.port)") }

        for isStream in [true, false] {
            let refusal = code { try TestSocket(stream: isStream).connect(to: empty, servicePort) }
            // In a pod's namespace the call leaves untranslated, for the pod's programs to translate. There is no route
            // for it here.
            if refusal != ENETUNREACH { problems.append("without backends: error \(refusal)") }
        }
        // A call that is not for a service is left alone.
        let direct = try TestSocket(stream: true)
        try direct.connect(to: backend, backendPort)
        if try direct.peer() != (backend, backendPort) { problems.append("a direct connection was translated") }
        return problems
    }

    private static func code(_ body: () throws -> Void) -> Int32 {
        do {
            try body()
            return 0
        } catch {
            return (error as? SystemError)?.code ?? -1
        }
    }
}
