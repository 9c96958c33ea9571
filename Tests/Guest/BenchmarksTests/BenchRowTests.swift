import Testing

@testable import Benchmarks

@Suite struct BenchRowTests {
    @Test func `a row holds within its bounds and says so`() {
        let row = BenchRow(name: "a ÷ b", value: 1.234, unit: "×", atMost: 1.1, how: "twice")
        #expect(!row.holds)
        #expect(row.text == "OVER a ÷ b: 1.23 ×, at most 1.10  (twice)")
        #expect(BenchRow(name: "a", value: .nan, unit: "s", atMost: 1, how: "").holds == false)
    }

    @Test func `the median of an even number lies between`() {
        #expect(median([4, 1, 3, 2]) == 2.5)
        #expect(median([5, 1, 3]) == 3)
    }
}
