import Foundation
import NamespaceHarness
import Testing

/// Runs every BPF program in every kernel that `labrun image` offers, by `labrun image verify`: one real node for each
/// kernel, two at a time.
@Suite(.serialized) struct KernelTests {
    private struct Verification: Decodable {
        struct Counts: Decodable { let checks, passed, failed, skipped: Int }
        struct Program: Decodable {
            let object, program: String
            let verifiedInstructions: Int?
        }
        struct Failure: Decodable {
            let check: String
            let problems: [String]
        }
        struct Skip: Decodable { let check, reason: String }
        let kernel, release: String
        let counts: Counts
        let programs: [Program]
        let failures: [Failure]
        let skips: [Skip]
    }

    /// The recorded figures of a series: the release, how many checks passed and how many did not run, and the verified
    /// instructions of each program.
    private struct Recorded: Codable {
        var release: String
        var passed, skipped: Int
        var verifiedInstructions: [String: Int]
    }

    private static let kernels = ["5.10", "6.1", "6.12", "7.2"]
    private static let snapshot = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Snapshots/verified-instructions.json")

    /// A missing image, a program that does not load and a failed check all fail here. Nothing is skipped silently.
    @Test func `every program loads and passes its checks on every kernel`() async throws {
        // The command itself boots two nodes at a time.
        let lane = await LabLanes.shared.lane(alone: true)
        defer { lane.end() }
        let ended = try await BuiltLabrun.run(["image", "verify", "--kernel", "all", "--fuzz", "20000", "--json"])
        #expect(
            ended.status == 0,
            "labrun image verify ended with \(ended.status); images: make image KERNEL=all\n\(ended.errors)")
        let found = try JSONDecoder().decode([Verification].self, from: Data(ended.output.utf8))
        #expect(found.map(\.kernel) == Self.kernels, "\(ended.errors)")
        for one in found {
            for failure in one.failures {
                Issue.record("\(one.release): \(failure.check): \(failure.problems.joined(separator: "; "))")
            }
            #expect(one.release.hasPrefix(one.kernel + "."))
            // The only checks that may be skipped have packets cut inside their IP header, on which newer kernels
            // refuse to run a program.
            #expect(one.skips.allSatisfy { $0.check.contains("cut short") }, "\(one.skips)")
        }
        try compare(found)
    }

    /// Compares the numbers of checks with the recorded ones, so that a check that gets lost is noticed. Verified
    /// instructions must be equal on the recorded kernel, and within a quarter on a newer one of the series.
    /// `LABRUN_RECORD=1` records the figures.
    private func compare(_ found: [Verification]) throws {
        var now: [String: Recorded] = [:]
        for one in found {
            var counts: [String: Int] = [:]
            for program in one.programs {
                let count: Int = try #require(program.verifiedInstructions, "\(one.release) \(program.program)")
                counts["\(program.object)/\(program.program)"] = count
            }
            now[one.kernel] = Recorded(
                release: one.release, passed: one.counts.passed, skipped: one.counts.skipped,
                verifiedInstructions: counts)
        }
        if ProcessInfo.processInfo.environment["LABRUN_RECORD"] == "1" {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try (encoder.encode(now) + Data("\n".utf8)).write(to: Self.snapshot)
        }
        let recorded = try JSONDecoder().decode([String: Recorded].self, from: Data(contentsOf: Self.snapshot))
        for (kernel, one) in now {
            let known = try #require(recorded[kernel], "kernel \(kernel) was never recorded")
            #expect(
                one.passed == known.passed && one.skipped == known.skipped,
                "\(kernel): \(one.passed) passed, \(one.skipped) skipped; recorded \(known.passed) and \(known.skipped)"
            )
            #expect(Set(one.verifiedInstructions.keys) == Set(known.verifiedInstructions.keys))
            for (program, count) in one.verifiedInstructions {
                let before = known.verifiedInstructions[program] ?? 0
                let slack = one.release == known.release ? 0 : before / 4
                #expect(abs(count - before) <= slack, "\(kernel) \(program): \(count), recorded \(before)")
            }
        }
    }
}
