import Datapath
import PacketChecks

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// One measured figure, and the bound that it is held to.
struct BenchRow: Codable, Sendable {
    /// For example `service among 10000 ÷ among 1`.
    let name: String
    let value: Double
    /// The unit: `ns`, `×`, `s`, `MiB`, `packets` or `instructions`.
    let unit: String
    /// The most that the figure may be, or nil without such a bound.
    var atMost: Double?
    /// The least that the figure may be, or nil without such a bound.
    var atLeast: Double?
    /// How it was measured: what the floor is, and how many rounds there were.
    let how: String

    var holds: Bool { value <= atMost ?? .infinity && value >= atLeast ?? -.infinity }

    /// Says whether the goal is met, what was measured, and what the goal is.
    var text: String {
        let goal = atMost.map { "at most \(Self.number($0))" } ?? atLeast.map { "at least \(Self.number($0))" }
        let verdict = goal == nil ? "      " : holds ? "met   " : "missed"
        return "\(verdict) \(name): \(Self.number(value)) \(unit)\(goal.map { ", goal \($0)" } ?? "")  (\(how))"
    }

    /// Formats a number with two decimals.
    static func number(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let hundredths = Int((abs(value) * 100).rounded())
        let rest = hundredths % 100
        return "\(value < 0 ? "-" : "")\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }
}

/// What `labverify bench` prints.
struct BenchReport: Codable, Sendable {
    /// The kernel's release, as `uname -r` prints it.
    let kernel: String
    var rows: [BenchRow]
    /// What could not be measured on this machine, with the reason.
    var lacks: [String] = []

    var holds: Bool { rows.allSatisfy(\.holds) }
    /// The exit status: 0 if every bound holds, 1 if one does not, 3 if nothing was measured.
    var status: Int32 { rows.isEmpty ? 3 : holds ? 0 : 1 }

    /// One JSON object on one line.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    var text: String {
        (["kernel \(kernel)"] + rows.map(\.text) + lacks.map { "not measured: \($0)" }).joined(separator: "\n")
    }
}

/// Something that this machine lacks and without which something cannot be measured.
struct BenchLack: Error, CustomStringConvertible {
    let description: String
}

/// Returns the middle value. For an even number of values it is the mean of the two in the middle.
func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return .nan }
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
