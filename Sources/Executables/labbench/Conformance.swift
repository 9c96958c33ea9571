import Foundation
import KubeletConformance

/// `make conformance`: the same pods and faults for the lab's own kubelet and for Kubernetes', and in what they differ.
struct Conformance {
    let labrun: String
    /// Where the two runs' reports stay.
    let folder: String
    /// The file that both kubelets are given.
    let scenario: String

    /// Runs both labs, one after the other, and compares what they told.
    ///
    /// - Throws: `BenchError` when a lab did not come up.
    func run() throws -> ConformanceReport {
        let light = try trace("light")
        let real = try trace("real")
        return ConformanceReport(light: light, real: real)
    }

    /// A run whose expectations fail tells as much as another. One without a lab tells nothing.
    private func trace(_ kubelet: String) throws -> KubeletTrace {
        let report = "\(folder)/\(kubelet)"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: labrun)
        process.arguments = [
            "scenario", scenario, "--set", "nodes.kubelet=\(kubelet)", "--report-dir", report, "--timeout", "3600",
        ]
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard [0, 1, 4].contains(process.terminationStatus) else {
            throw BenchError("the lab of the \(kubelet) kubelet ended with \(process.terminationStatus), see \(report)")
        }
        return try Self.trace(in: report + "/artifacts")
    }

    /// Reads what a run has left.
    static func trace(in artifacts: String) throws -> KubeletTrace {
        let names = try FileManager.default.contentsOfDirectory(atPath: artifacts).sorted()
        // A log that was full is beside its successor, with its time in its name.
        let audits = names.filter { $0.hasPrefix("audit-") && $0.hasSuffix(".log") } + ["audit.log"]
        var audit: [UInt8] = []
        for name in audits { audit += try Data(contentsOf: URL(fileURLWithPath: "\(artifacts)/\(name)")) }
        let calls = names.filter { $0.hasPrefix("cni-") && $0.hasSuffix(".log") }
        let texts = try calls.map { try String(contentsOfFile: "\(artifacts)/\($0)", encoding: .utf8) }
        return KubeletTrace(auditLog: audit, pluginCalls: texts.joined(separator: "\n"))
    }
}

extension Conformance {
    /// Does what the command line says, tells it on standard output, and ends: 0 every difference has a reason; 1 one
    /// has none; 2 nothing was compared.
    static func main(_ words: [String]) -> Never {
        do {
            let report: ConformanceReport
            if words[0] == "compare" {
                report = ConformanceReport(light: try trace(in: words[1]), real: try trace(in: words[2]))
            } else {
                try FileManager.default.createDirectory(atPath: words[1], withIntermediateDirectories: true)
                report = try Conformance(
                    labrun: ProcessInfo.processInfo.environment["LABRUN"] ?? ".build/release/labrun",
                    folder: words[1], scenario: Bench.root + "/bench/kubelet-conformance.yaml"
                ).run()
            }
            for line in report.lines { print(line) }
            guard report.subjects > 0 else { throw BenchError("the two runs tell of nothing in common") }
            exit(report.unexplained.isEmpty ? 0 : 1)
        } catch {
            try? FileHandle.standardError.write(contentsOf: Data("labbench: \(error)\n".utf8))
            exit(2)
        }
    }
}
