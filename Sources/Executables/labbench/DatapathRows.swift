import Foundation
import KubeProxy

/// What is being measured, for whoever waits.
func say(_ text: String) { FileHandle.standardError.write(Data("labbench: \(text)\n".utf8)) }

/// Rows that other programs measure, with the bounds that they hold them to. Those programs say themselves, on standard error, which
/// part they are at.
enum DatapathRows {
    /// Nanoseconds a packet and an agent with many services, in a node of its own.
    static func inNode(labrun: String) throws -> [Row] { try rows(of: labrun, ["image", "bench", "--json"]) }

    /// All that `labverify bench` measures, in namespaces of this machine. What it cannot measure here is named on standard error.
    static func here(labverify: String) throws -> [Row] {
        let rules = NSTemporaryDirectory() + "labbench-\(ProcessInfo.processInfo.processIdentifier).rules"
        try KubeProxyFloor.rules.write(toFile: rules, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: rules) }
        return try rows(of: labverify, ["bench", "--json", "--kube-proxy-rules", rules])
    }

    private struct Output: Decodable {
        struct Row: Decodable {
            let name, unit, how: String
            let value: Double
            let atMost, atLeast: Double?
        }
        let rows: [Row]
        let lacks: [String]?
    }

    private static func rows(of program: String, _ arguments: [String]) throws -> [Row] {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard let output = try? JSONDecoder().decode(Output.self, from: data) else {
            throw BenchError("\(program) \(arguments[0]) ended with \(process.terminationStatus)")
        }
        for lack in output.lacks ?? [] { say("not measured: \(lack)") }
        return output.rows.map {
            Row(name: $0.name, value: $0.value, unit: $0.unit, bound: $0.atMost, floor: $0.atLeast, how: $0.how)
        }
    }
}
