import Datapath

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the kernel reported about a program when it accepted it.
public struct ProgramFacts: Codable, Sendable, Hashable {
    public let program: String
    public let object: String
    /// The number of instructions after translation by the kernel.
    public let instructions: Int
    /// The number of instructions that the verifier walked, or nil if the kernel did not report it.
    public let verifiedInstructions: UInt32?
}

/// One check of the self-test.
public struct SelftestResult: Codable, Sendable, Hashable {
    /// For example `from_container: same node`.
    public let name: String
    public let passed: Bool
    /// The differences between what was expected and what came. It is empty if the check passed.
    public let problems: [String]
    /// Why the check did not run, or nil if it ran. A check that did not run did not fail either.
    public let skipped: String?
}

/// The results of a whole run.
public struct SelftestReport: Codable, Sendable {
    /// `uname -r`
    public let kernel: String
    public let programs: [ProgramFacts]
    public let results: [SelftestResult]
    /// Why no check could run on this machine, or nil if they ran.
    public var lack: String?

    /// The outcome of a run. Its number is the exit status.
    public enum Outcome: Int32, Sendable {
        /// Something ran, and nothing failed.
        case passed = 0
        case failed = 1
        /// Not one check ran, so nothing passed or failed.
        case nothingRan = 3
    }

    public var outcome: Outcome {
        if counts.failed > 0 { return .failed }
        return counts.passed > 0 ? .passed : .nothingRan
    }

    /// The numbers of checks. One that did not run counts only as skipped.
    public var counts: (passed: Int, failed: Int, skipped: Int) {
        let failed = results.count { !$0.passed }
        let skipped = results.count { $0.passed && $0.skipped != nil }
        return (results.count - failed - skipped, failed, skipped)
    }

    /// One JSON object on one line.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }

    /// Failures in full, the names of checks that did not run, and the numbers of the others.
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
        if let lack { lines.append("not run here: \(lack)") }
        let counts = counts
        lines.append(
            "\(results.count) checks: \(counts.passed) passed, \(counts.failed) failed, \(counts.skipped) skipped")
        return lines.joined(separator: "\n")
    }
}
