import Testing

@testable import PacketChecks

#if canImport(Glibc)
    import Glibc
#endif

@Suite struct SelftestReportTests {
    private func report(_ results: [SelftestResult], lack: String? = nil) -> SelftestReport {
        SelftestReport(kernel: "6.18", programs: [], results: results, lack: lack)
    }

    private let passed = SelftestResult(name: "a", passed: true, problems: [], skipped: nil)
    private let failed = SelftestResult(name: "b", passed: false, problems: ["expected 1, came 2"], skipped: nil)
    private let skipped = SelftestResult(
        name: "c", passed: true, problems: [], skipped: "this kernel has no geneve devices")

    @Test func `what did not run has not passed`() {
        let report = report([passed, skipped, skipped])
        #expect(report.counts == (1, 0, 2))
        #expect(report.outcome == .passed)
        #expect(report.text.contains("skipped c: this kernel has no geneve devices"))
        #expect(report.text.hasSuffix("3 checks: 1 passed, 0 failed, 2 skipped"))
    }

    @Test func `one failure fails the run, whatever else was skipped`() {
        let report = report([passed, failed, skipped])
        #expect(report.counts == (1, 1, 1))
        #expect(report.outcome == .failed)
        #expect(report.text.contains("FAILED b\n       expected 1, came 2"))
    }

    @Test func `a run without a check that ran is neither passed nor failed`() {
        #expect(report([skipped]).outcome == .nothingRan)
        let lacking = report([], lack: "it takes root")
        #expect(lacking.outcome == .nothingRan)
        #expect(lacking.text.contains("not run here: it takes root"))
        #expect(lacking.text.hasSuffix("0 checks: 0 passed, 0 failed, 0 skipped"))
        #expect(SelftestReport.Outcome.nothingRan.rawValue == 3)
    }

    @Test(arguments: [(EOPNOTSUPP, true), (ENODEV, true), (EEXIST, false), (ENOMEM, false), (EPERM, false)])
    func `only an answer that means no such thing takes a part for missing`(code: Int32, isMissing: Bool) {
        #expect(KernelPart.means(nothing: code) == isMissing)
    }
}
