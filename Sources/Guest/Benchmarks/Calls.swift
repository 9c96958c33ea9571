import CLinuxShim
import LinuxKernel
import NetAddress
import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

/// A client and a server of this program that exchange one octet over TCP, like netperf's TCP_RR and TCP_CRR. Each has
/// a processor of its own if there are two.
final class Calls {
    enum Kind {
        /// All questions use one connection, and answered questions are counted.
        case requests
        /// Each question has a connection of its own, which ends when it is answered. Connections are counted.
        case connections
    }

    private let kind: Kind
    private let path: ThroughputPath
    private let port: UInt16
    private let listener: Int32

    /// Starts the server, which serves one connection after the other.
    init(_ kind: Kind, on path: ThroughputPath, port: UInt16 = 5202) throws {
        self.kind = kind
        self.path = path
        self.port = port
        let server = try NetworkNamespace(path: path.server).run { try Self.listen(port) }
        listener = server
        startThread("calls") {
            Self.pin(to: 1)
            Self.serve(server)
        }
    }

    // The server's thread closes the listener.
    deinit { shutdown(listener, Int32(SHUT_RDWR)) }

    /// Calls for a while.
    ///
    /// - Returns: The answers, or connections, a second.
    func run(milliseconds: Int) throws -> Double {
        let (kind, address, port) = (kind, path.address, port)
        return try NetworkNamespace(path: path.client).run {
            Self.pin(to: 0)
            let clock = ContinuousClock()
            let started = clock.now
            let end = started + .milliseconds(milliseconds)
            var count = 0
            switch kind {
            case .requests:
                let socket = try Self.connect(to: address, port)
                defer { close(socket) }
                while clock.now < end {
                    try Self.ask(socket)
                    count += 1
                }
            case .connections:
                while clock.now < end {
                    let socket = try Self.connect(to: address, port)
                    defer { close(socket) }
                    try Self.ask(socket)
                    count += 1
                }
            }
            return Double(count) / ((clock.now - started) / .seconds(1))
        }
    }

    private static func listen(_ port: UInt16) throws -> Int32 {
        let server = try check("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
        var one: Int32 = 1
        try check("setsockopt") {
            setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        }
        try check("bind", "port \(port)") {
            withName(IPv4Address(0, 0, 0, 0), port) { bind(server, $0, $1) }
        }
        try check("listen", "port \(port)") { Glibc.listen(server, 128) }
        return server
    }

    private static func serve(_ listener: Int32) {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            var octet: UInt8 = 0
            while recv(connection, &octet, 1, 0) == 1, send(connection, &octet, 1, Int32(MSG_NOSIGNAL)) == 1 {}
            close(connection)
        }
        close(listener)
    }

    /// The connection ends by a reset, so that no port stays in TIME-WAIT and none run out.
    private static func connect(to address: IPv4Address, _ port: UInt16) throws -> Int32 {
        let client = try check("socket") { socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0) }
        var reset = linger(l_onoff: 1, l_linger: 0)
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        var one: Int32 = 1
        setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, socklen_t(MemoryLayout<linger>.size))
        setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(client, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        do {
            try check("connect", "\(address):\(port)") { withName(address, port) { Glibc.connect(client, $0, $1) } }
        } catch {
            close(client)
            throw error
        }
        return client
    }

    private static func ask(_ socket: Int32) throws {
        var octet: UInt8 = 0x3F
        guard send(socket, &octet, 1, Int32(MSG_NOSIGNAL)) == 1, recv(socket, &octet, 1, 0) == 1 else {
            throw SelftestFailure(description: "a call was not answered: error \(errno)")
        }
    }

    private static func withName(
        _ address: IPv4Address, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = address.networkByteOrder
        return withUnsafePointer(to: name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Binds the calling thread to a processor, if that exists.
    private static func pin(to processor: Int) {
        if sysconf(Int32(_SC_NPROCESSORS_ONLN)) > processor { linux_run_on(UInt32(processor)) }
    }
}
