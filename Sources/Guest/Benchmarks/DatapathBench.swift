#if canImport(Glibc)
    import Glibc
#endif
import Datapath
import LinuxKernel
import PacketChecks

/// Measures the datapath in this node: `labverify bench [--json] [--rounds N] [--only PART]`.
public enum DatapathBench {
    private static let runs = 2000
    private static let usage =
        "usage: labverify bench [--json] [--rounds N] [--only packets|services|throughput|\(paths)]"
    private static let paths = Throughput.Part.allCases.map(\.rawValue).joined(separator: "|")

    private enum Part {
        /// Nanoseconds by `BPF_PROG_TEST_RUN`.
        case packets
        /// An agent with many services.
        case services
        /// iperf3 between pods.
        case throughput([Throughput.Part])

        static let all: [Part] = [.packets, .services, .throughput(Throughput.Part.allCases)]

        init?(named name: String) {
            switch name {
            case "packets": self = .packets
            case "services": self = .services
            case "throughput": self = .throughput(Throughput.Part.allCases)
            default:
                guard let part = Throughput.Part(rawValue: name) else { return nil }
                self = .throughput([part])
            }
        }
    }

    /// Prints the report.
    ///
    /// - Parameter lack: why nothing can be measured on this machine; nil: it can.
    /// - Returns: the exit code: 0 every bound holds, 1 one does not or a measurement failed, 2 wrong usage, 3 nothing could
    ///   be measured.
    public static func main(arguments: [String], lack: String? = nil) -> Int32 {
        var json = false
        var rounds = 15
        var parts = Part.all
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--json": json = true
            case "--rounds":
                guard let count = rest.popFirst().flatMap({ Int($0) }), (1...1000).contains(count) else {
                    return wrongUsage()
                }
                rounds = count
            case "--only":
                guard let part = rest.popFirst().flatMap({ Part(named: $0) }) else { return wrongUsage() }
                parts = [part]
            default: return wrongUsage()
            }
        }
        if let lack {
            print("labverify bench: not run here: \(lack)")
            return 3
        }
        do {
            var report = BenchReport(kernel: DatapathSelftest.kernelRelease(), rows: [])
            for part in parts { report.rows += try rows(of: part, rounds: rounds) }
            print(json ? try report.json() : report.text)
            return report.holds ? 0 : 1
        } catch {
            print("labverify bench: \(error)")
            return 1
        }
    }

    private static func rows(of part: Part, rounds: Int) throws -> [BenchRow] {
        switch part {
        case .packets:
            try NetworkNamespace.create().run {
                var packets = PacketBench(rounds: rounds, runs: runs)
                return try packets.rows()
            }
        case .services: try ServiceScale.rows()
        case .throughput(let parts): try Throughput.rows(parts)
        }
    }

    private static func wrongUsage() -> Int32 {
        print(usage)
        return 2
    }
}
