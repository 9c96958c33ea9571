import Testing

@testable import LinuxKernel

@Suite struct TimeStampCounterTests {
    @Test func ratesAreTicksAMillisecond() {
        func reading(_ ticks: UInt64, _ nanoseconds: Int64) -> TimeStampCounter.Reading {
            .init(ticks: ticks, time: MonotonicTime(nanoseconds: nanoseconds))
        }
        #expect(
            TimeStampCounter.rate(from: reading(5_000, 0), to: reading(5_000 + 42_000_000, 20_000_000)) == 2_100_000)
        #expect(TimeStampCounter.rate(from: reading(0, 0), to: reading(0, 20_000_000)) == nil)
        #expect(TimeStampCounter.rate(from: reading(0, 7), to: reading(9, 7)) == nil)
        #expect(TimeStampCounter.rate(from: reading(9, 0), to: reading(2, 20)) == nil)
        #expect(TimeStampCounter.rate(from: reading(0, 0), to: reading(.max, 1)) == nil)
    }

    /// The kernel refines the value by up to a percent, so an error beyond that would stay.
    @Test func twoMeasurementsAgree() async throws {
        let (one, two) = (try await TimeStampCounter.kilohertz(), try await TimeStampCounter.kilohertz())
        #if !arch(x86_64)
            // No other processor has such a counter.
            #expect(one == nil && two == nil)
            return
        #endif
        let (first, second) = (try #require(one), try #require(two))
        #expect(abs(first - second) * 200 < first, "\(first) and \(second) kHz")
    }
}
