import Datapath
import LinuxKernel
import NetAddress
import PacketChecks

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// The iperf3 of this machine.
struct Iperf {
    static let port = "5201"
    private static let program = "/usr/bin/iperf3"

    enum Traffic {
        /// One TCP stream.
        case stream
        /// UDP in frames of 64 octets, as many as possible.
        case datagrams

        /// The octets of a datagram's payload.
        static let payload = 22

        var arguments: [String] {
            switch self {
            case .stream: []
            case .datagrams: ["-u", "-b", "0", "-l", "\(Self.payload)"]
            }
        }
    }

    /// - Throws: ``BenchLack`` if it is not installed.
    init() throws {
        guard access(Self.program, X_OK) == 0 else { throw BenchLack(description: "no \(Self.program): make deps") }
        try AtomicFile.makeDirectories(TestAgent.directory)
    }

    /// Returns what arrived, in bits per second of payload.
    ///
    /// - Parameter rate: The rate at which to send, or nil to send as much as possible.
    func bitsPerSecond(_ traffic: Traffic, on path: ThroughputPath, seconds: Int) throws -> Double {
        let serverLog = "/run/labrun-bench/iperf-server.log"
        let clientLog = "/run/labrun-bench/iperf-client.json"
        let server = try start(["-s", "-1", "-p", Self.port, "--forceflush"], in: path.server, output: serverLog)
        try awaitListener(serverLog)
        let client = try start(
            ["-c", path.address.description, "-p", Self.port, "-t", "\(seconds)", "-J"] + traffic.arguments,
            in: path.client, output: clientLog)
        let status = try waitForEnd(of: client, within: .seconds(seconds + 30))
        kill(server, SIGTERM)
        _ = try waitForEnd(of: server, within: .seconds(10))
        let output = try AtomicFile.read(clientLog) ?? []
        guard status == 0, let result = try? JSONDecoder().decode(Output.self, from: Data(output)) else {
            throw SelftestFailure(
                description: "iperf3 ended with \(status): \(String(decoding: output.suffix(400), as: UTF8.self))")
        }
        return result.end.arrived
    }

    private struct Output: Decodable {
        struct Sum: Decodable {
            let bits_per_second: Double
            let lost_percent: Double?
        }
        struct End: Decodable {
            let sum_received: Sum?
            let sum: Sum?

            var arrived: Double {
                if let sum, let lost = sum.lost_percent { return sum.bits_per_second * (100 - lost) / 100 }
                return sum_received?.bits_per_second ?? .nan
            }
        }
        let end: End
    }

    func start(_ arguments: [String], in namespace: String, output: String) throws -> pid_t {
        try NetworkNamespace(path: namespace).run {
            try spawn(Self.program, ["iperf3"] + arguments, output: output)
        }
    }

    func awaitListener(_ log: String) throws {
        let deadline = Deadline.after(.seconds(20))
        while true {
            let text = String(decoding: try AtomicFile.read(log) ?? [], as: UTF8.self)
            if text.contains("listening") { return }
            guard !deadline.hasPassed else { throw SelftestFailure(description: "iperf3 does not listen: \(text)") }
            poll(nil, 0, 5)
        }
    }
}

/// Returns the exit status of a child, or the negative number of the signal that ended it. At the deadline the child is
/// killed.
func waitForEnd(of child: pid_t, within patience: Duration) throws(SystemError) -> Int32 {
    let deadline = Deadline.after(patience)
    var status: Int32 = 0
    while waitpid(child, &status, WNOHANG) == 0 {
        if deadline.hasPassed {
            kill(child, SIGKILL)
            waitpid(child, &status, 0)
            throw SystemError(code: ETIMEDOUT, call: "waitpid", subject: "process \(child)")
        }
        poll(nil, 0, 5)
    }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
}
