/// The output of `labverify selftest --json`: what became of the datapath's programs in one kernel.
struct SelftestOutput: Decodable, Sendable {
    struct Program: Codable, Sendable {
        let object, program: String
        /// The number of instructions after translation by the kernel.
        let instructions: Int
        /// The number of instructions that the verifier walked, or nil if the kernel did not report it.
        let verifiedInstructions: UInt32?
    }
    struct Check: Decodable, Sendable {
        let name: String
        let passed: Bool
        let problems: [String]
        let skipped: String?
    }
    let kernel: String
    let programs: [Program]
    let results: [Check]
}

/// The datapath on one kernel, as `labrun image verify --json` prints it.
struct KernelVerification: Encodable, Sendable {
    struct Failure: Encodable, Sendable {
        let check: String
        let problems: [String]
    }
    struct Skip: Encodable, Sendable {
        let check, reason: String
    }
    /// The numbers of checks by result. Their sum is `checks`.
    struct Counts: Encodable, Sendable {
        let checks, passed, failed, skipped: Int
    }

    /// The series as users write it.
    let kernel: String
    let release: String
    /// The digest of the image.
    let image: String
    /// `kvm` or `tcg`
    let accelerator: String
    /// The time from power-on until the node's runtime answered, in seconds.
    let bootSeconds: Double
    let selftestSeconds: Double
    let counts: Counts
    let programs: [SelftestOutput.Program]
    let failures: [Failure]
    let skips: [Skip]

    /// Whether nothing failed and something ran.
    var passed: Bool { counts.failed == 0 && counts.passed > 0 }
}

extension KernelVerification {
    init(
        kernel: String, image: String, accelerator: String, bootSeconds: Double, selftestSeconds: Double,
        output: SelftestOutput
    ) {
        self.kernel = kernel
        release = output.kernel
        self.image = image
        self.accelerator = accelerator
        self.bootSeconds = bootSeconds
        self.selftestSeconds = selftestSeconds
        failures = output.results.filter { !$0.passed }.map { Failure(check: $0.name, problems: $0.problems) }
        skips = output.results.compactMap { check in check.skipped.map { Skip(check: check.name, reason: $0) } }
        counts = Counts(
            checks: output.results.count, passed: output.results.count { $0.passed && $0.skipped == nil },
            failed: failures.count, skipped: skips.count)
        programs = output.programs
    }
}

/// Verifications as text: a row for each kernel, a row for each program, then the failures in full.
struct VerificationText: CustomStringConvertible {
    let verifications: [KernelVerification]

    var description: String {
        var parts = [kernels]
        if verifications.contains(where: { !$0.programs.isEmpty }) { parts.append(programs) }
        if !failures.isEmpty { parts.append(failures.joined(separator: "\n")) }
        return parts.joined(separator: "\n\n")
    }

    private var kernels: String {
        columns(
            [["KERNEL", "RELEASE", "BOOT", "SELFTEST", "PASSED", "FAILED", "SKIPPED"]]
                + verifications.map { one in
                    [
                        one.kernel, one.release, seconds(one.bootSeconds), seconds(one.selftestSeconds),
                        String(one.counts.passed), String(one.counts.failed), String(one.counts.skipped),
                    ]
                })
    }

    /// The rows of programs, in the order of the first kernel that has them.
    private var programs: String {
        var names: [String] = []
        for program in verifications.flatMap(\.programs) where !names.contains(program.name) {
            names.append(program.name)
        }
        return columns(
            [["VERIFIED INSTRUCTIONS"] + verifications.map(\.kernel)]
                + names.map { name in
                    [name]
                        + verifications.map { one in
                            guard let program = one.programs.first(where: { $0.name == name }) else { return "-" }
                            return program.verifiedInstructions.map { String($0) } ?? "unknown"
                        }
                })
    }

    private var failures: [String] {
        verifications.flatMap { one in
            one.failures.flatMap { failure in
                ["\(one.kernel): FAILED \(failure.check)"] + failure.problems.map { "    \($0)" }
            }
        }
    }

    private func seconds(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest) s"
    }
}

extension SelftestOutput.Program {
    /// For example `lxc/from_container`.
    var name: String { "\(object)/\(program)" }
}
