#if canImport(Glibc)
    import Glibc
#endif
import Datapath
import LinuxKernel
import PacketChecks

/// Measures the datapath on this machine: `labverify bench [--json] [--rounds N] [--only PART] [--kube-proxy-rules
/// FILE]`.
public enum DatapathBench {
    private static let runs = 2000
    private static let usage =
        "usage: labverify bench [--json] [--rounds N] [--only packets|services|\(paths)] [--kube-proxy-rules FILE]"
    private static let paths = Throughput.Part.allCases.map(\.rawValue).joined(separator: "|")

    private enum Part {
        /// Nanoseconds a packet by `BPF_PROG_TEST_RUN`.
        case packets
        /// An agent with many services.
        case services
        /// Traffic between pods, beside floors.
        case traffic(Throughput.Part)

        static let all: [Part] = [.packets, .services] + traffic
        static let traffic = Throughput.Part.allCases.map { Part.traffic($0) }

        init?(named name: String) {
            switch name {
            case "packets": self = .packets
            case "services": self = .services
            default:
                guard let part = Throughput.Part(rawValue: name) else { return nil }
                self = .traffic(part)
            }
        }

        var name: String {
            switch self {
            case .packets: "packets"
            case .services: "services"
            case .traffic(let part): part.rawValue
            }
        }
    }

    /// Measures, and prints the report. As each part begins, it prints a line to standard error.
    ///
    /// - Parameter lack: Why nothing can be measured on this machine, or nil if something can.
    /// - Returns: The exit code: 0 every bound holds, 1 one does not or a measurement failed, 2 wrong usage, 3 nothing
    ///   could be measured.
    public static func main(arguments: [String], lack: String? = nil) -> Int32 {
        var json = false
        var rounds = 15
        var rules: String?
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
            case "--kube-proxy-rules":
                guard let path = rest.popFirst() else { return wrongUsage() }
                rules = path
            default: return wrongUsage()
            }
        }
        var report = BenchReport(kernel: DatapathSelftest.kernelRelease(), rows: [])
        do {
            if let lack { report.lacks.append(lack) }
            for part in lack == nil ? parts : [] {
                say("measuring \(part.name)")
                do {
                    report.rows += try rows(of: part, rounds: rounds, rules: rules)
                } catch let missing as BenchLack {
                    report.lacks.append("\(part.name): \(missing)")
                }
            }
            print(json ? try report.json() : report.text)
            return report.status
        } catch {
            say("\(error)")
            return 1
        }
    }

    private static func rows(of part: Part, rounds: Int, rules: String?) throws -> [BenchRow] {
        switch part {
        case .packets:
            try NetworkNamespace.create().run {
                var packets = PacketBench(rounds: rounds, runs: runs)
                return try packets.rows()
            }
        case .services: try ServiceScale.rows()
        case .traffic(let part): try Throughput.rows(part, rules: rules)
        }
    }

    private static func say(_ text: String) {
        try? FileDescriptor(owning: dup(2)).writeAll("labverify bench: \(text)\n".utf8)
    }

    private static func wrongUsage() -> Int32 {
        print(usage)
        return 2
    }
}
