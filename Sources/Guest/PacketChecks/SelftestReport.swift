import Datapath

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the kernel said of a program when it accepted it.
public struct ProgramFacts: Codable, Sendable, Hashable {
    public let program: String
    public let object: String
    /// After translation by the kernel.
    public let instructions: Int
    /// Walked by the verifier; nil when the kernel did not tell.
    public let verifiedInstructions: UInt32?
}

/// One check of the self-test.
public struct SelftestResult: Codable, Sendable, Hashable {
    /// For example `from_container: same node`.
    public let name: String
    public let passed: Bool
    /// What was expected and what came; empty when it passed.
    public let problems: [String]
    /// Why the check did not run; nil: it did. A check that did not run did not fail either.
    public let skipped: String?
}

/// A whole run.
public struct SelftestReport: Codable, Sendable {
    /// `uname -r`
    public let kernel: String
    public let programs: [ProgramFacts]
    public let results: [SelftestResult]

    /// Nothing failed, and something ran.
    public var passed: Bool { results.contains { $0.skipped == nil } && results.allSatisfy(\.passed) }

    /// One JSON object on one line.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Failures in full, the rest in numbers.
    public var text: String {
        var lines = ["kernel \(kernel)"]
        for facts in programs {
            let verified = facts.verifiedInstructions.map { String($0) } ?? "unknown"
            lines.append("  \(facts.object)/\(facts.program): \(facts.instructions) instructions, \(verified) verified")
        }
        for result in results where !result.passed {
            lines.append("FAILED \(result.name)")
            lines += result.problems.map { "       \($0)" }
        }
        for result in results {
            if let skipped = result.skipped { lines.append("skipped \(result.name): \(skipped)") }
        }
        let failures = results.count { !$0.passed }
        let skipped = results.count { $0.skipped != nil }
        lines.append("\(results.count) checks, \(failures) failed, \(skipped) skipped")
        return lines.joined(separator: "\n")
    }
}
