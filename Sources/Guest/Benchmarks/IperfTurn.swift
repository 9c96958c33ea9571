import Datapath
import LinuxKernel
import NetAddress
import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

/// iperf3 at both ends of a path. It is stopped (SIGSTOP) except in its turn. Two of them share a machine in short
/// turns, so that whatever slows the machine down slows both.
final class IperfTurn {
    private let traffic: Iperf.Traffic
    private let path: ThroughputPath
    private var processes: [pid_t] = []

    /// Starts both ends, waits until something arrives, and stops them.
    init(_ iperf: Iperf, _ traffic: Iperf.Traffic, on path: ThroughputPath, named name: String) throws {
        self.traffic = traffic
        self.path = path
        let log = "/run/labrun-bench/iperf-\(name)"
        do {
            let server = ["-s", "-1", "-p", Iperf.port, "--forceflush"] + Self.affinity(1)
            processes.append(try iperf.start(server, in: path.server, output: log + "-server"))
            try iperf.awaitListener(log + "-server")
            let client = ["-c", path.address.description, "-p", Iperf.port, "-t", "3600"] + Self.affinity(0)
            processes.append(
                try iperf.start(client + traffic.arguments, in: path.client, output: log + "-client"))
            let before = try arrived()
            let deadline = Deadline.after(.seconds(20))
            // This is more than what opens the connection.
            while try arrived() - before < 100_000 {
                guard !deadline.hasPassed else {
                    let words = String(decoding: try AtomicFile.read(log + "-client")?.suffix(400) ?? [], as: UTF8.self)
                    throw SelftestFailure(description: "iperf3 does not get through: \(words)")
                }
                poll(nil, 0, 10)
            }
        } catch {
            end()
            throw error
        }
        signal(SIGSTOP)
    }

    deinit { end() }

    /// Lets it run for a while.
    ///
    /// - Returns: What arrived, in bits per second of payload. For a stream its headers are included, which are few in
    ///   large sends.
    func run(milliseconds: Int) throws -> Double {
        let clock = ContinuousClock()
        let before = try arrived()
        let started = clock.now
        signal(SIGCONT)
        poll(nil, 0, Int32(milliseconds))
        let bits = try arrived() - before
        let elapsed = (clock.now - started) / .seconds(1)
        signal(SIGSTOP)
        return bits / elapsed
    }

    /// Gives each end a processor of its own, if the node has two.
    private static func affinity(_ processor: Int) -> [String] {
        sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1 ? ["-A", "\(processor)"] : []
    }

    private func signal(_ number: Int32) {
        for process in processes { Glibc.kill(process, number) }
    }

    private func end() {
        signal(SIGKILL)
        var status: Int32 = 0
        for process in processes { waitpid(process, &status, 0) }
        processes = []
    }

    /// The bits that the server's namespace has received. For datagrams these are the ones that a socket took.
    private func arrived() throws -> Double {
        let (file, group, name, size) =
            switch traffic {
            case .stream: ("netstat", "IpExt:", "InOctets", 1)
            case .datagrams: ("snmp", "Udp:", "InDatagrams", Iperf.Traffic.payload)
            }
        let bytes = try NetworkNamespace(path: path.server).run {
            try FileDescriptor.open("/proc/thread-self/net/\(file)", O_RDONLY).readToEnd()
        }
        // A line of names is followed by a line of values.
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").filter { $0.hasPrefix(group) }
        guard lines.count == 2 else { throw SelftestFailure(description: "\(file) has no \(group)") }
        let columns = lines.map { $0.split(separator: " ") }
        guard let index = columns[0].firstIndex(where: { $0 == name }), columns[1].indices.contains(index),
            let count = Double(columns[1][index])
        else { throw SelftestFailure(description: "\(file) has no \(name)") }
        return count * Double(size) * 8
    }
}
