import Foundation
import KubeProxy

/// Prints on standard error what is being measured.
func say(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data("labbench: \(text)\n".utf8)) }

/// What was measured, and what could not be measured on this machine, with the reason.
struct Measured {
    var rows: [Row]
    var lacks: [String] = []
}

/// The rows that other programs measure, with the bounds that they apply. Those programs print the part that they are
/// at on standard error.
enum DatapathRows {
    /// Nanoseconds a packet, and an agent with many services, in a node of its own.
    static func inNode(labrun: String) throws -> Measured { try rows(of: labrun, ["image", "bench", "--json"]) }

    /// All that `labverify bench` measures, in namespaces of this machine.
    static func here(labverify: String) throws -> Measured {
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

    private static func rows(of program: String, _ arguments: [String]) throws -> Measured {
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
        let rows = output.rows.map {
            Row(name: $0.name, value: $0.value, unit: $0.unit, bound: $0.atMost, floor: $0.atLeast, how: $0.how)
        }
        return Measured(rows: rows, lacks: output.lacks ?? [])
    }
}
