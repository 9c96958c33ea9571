import Testing

@testable import Benchmarks

@Suite struct BenchRowTests {
    @Test func `a row holds within its bounds and says so`() {
        let row = BenchRow(name: "a ÷ b", value: 1.234, unit: "×", atMost: 1.1, how: "twice")
        #expect(!row.holds)
        #expect(row.text == "missed a ÷ b: 1.23 ×, goal at most 1.10  (twice)")
        let met = BenchRow(name: "a", value: 2, unit: "ns", atLeast: 1, how: "once")
        #expect(met.text == "met    a: 2.00 ns, goal at least 1.00  (once)")
        #expect(BenchRow(name: "a", value: 2, unit: "ns", how: "once").text == "       a: 2.00 ns  (once)")
        #expect(BenchRow(name: "a", value: .nan, unit: "s", atMost: 1, how: "").holds == false)
    }

    @Test func `the median of an even number lies between`() {
        #expect(median([4, 1, 3, 2]) == 2.5)
        #expect(median([5, 1, 3]) == 3)
    }

    @Test func `what could not be measured is named, and is no figure`() throws {
        var report = BenchReport(kernel: "6.1", rows: [])
        report.lacks.append("paced: this kernel has no fq")
        #expect(report.status == 3)
        #expect(report.text == "kernel 6.1\nnot measured: paced: this kernel has no fq")
        report.rows.append(BenchRow(name: "a", value: 1, unit: "×", atLeast: 1, how: ""))
        #expect(report.status == 0)
        report.rows.append(BenchRow(name: "b", value: 0.9, unit: "×", atLeast: 1, how: ""))
        #expect(report.status == 1)
        #expect(try report.json().contains(#""lacks":["paced: this kernel has no fq"]"#))
    }
}
