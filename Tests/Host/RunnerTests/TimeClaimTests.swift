import Foundation
import Observations
import RunEvents
import Testing

@testable import Runner

@Suite struct TimeClaimTests {
    /// Intervals of a tenth of a second, each with the part of it in which the nodes stood still.
    private func starvation(_ starved: [Double]) -> Starvation {
        Starvation(starved.map { .init(seconds: 0.1, starved: $0) })
    }

    @Test(
        "a claim is explained when what is left without the host's part is within the limit",
        arguments: [
            // took, limit, starved
            (1.834, 1.0, 1.7, true), (1.834, 1.0, 0.834, true), (1.834, 1.0, 0.8, false),
            // The host cannot be blamed for ten seconds when it kept the nodes waiting for 0.2 s.
            (10.0, 1.0, 0.2, false), (10.0, 1.0, 9.0, true), (10.0, 1.0, 0, false),
            // What is within its limit needs no explanation.
            (0.9, 1.0, 0.9, false), (1.0, 1.0, 1.0, false),
        ])
    func explained(took: Double, limit: Double, starved: Double, expected: Bool) {
        #expect(TimeClaim.isExplained(took: took, limit: limit, starved: starved) == expected)
    }

    @Test(
        "silence is doubtful when the nodes had less than half of the asked time to answer in",
        arguments: [
            // waited, asked, starved
            (1.0, 1.0, 0.0, false), (1.0, 1.0, 0.4, false), (1.0, 1.0, 0.6, true), (8.0, 1.0, 7.0, false),
            (8.0, 1.0, 7.6, true), (0.3, 1.0, 0, false),
        ])
    func silence(waited: Double, asked: Double, starved: Double, expected: Bool) {
        #expect(TimeClaim.isDoubtful(silence: waited, asked: asked, starved: starved) == expected)
        #expect((SilenceDoubt(asked: asked, waited: waited, starved: starved).reason != nil) == expected)
    }

    @Test(
        "a step's time is over when the nodes had it, or at its fourfold, or half a minute later",
        arguments: [
            // elapsed, within, starved
            (10.0, 10.0, 0.0, true), (9.9, 10.0, 0.0, false), (15.0, 10.0, 6.0, false), (16.0, 10.0, 6.0, true),
            (40.0, 10.0, 39.0, true), (0.0, 0.0, 0.0, true), (8.1, 2.0, 7.2, false), (32.0, 2.0, 31.0, true),
            (79.0, 20.0, 78.0, false), (80.0, 20.0, 79.0, true),
        ])
    func over(elapsed: Double, within: Double, starved: Double, expected: Bool) {
        #expect(TimeClaim.isOver(elapsed: elapsed, within: within, starved: starved) == expected)
    }

    @Test("the worst span counts, not the sum of the whole step")
    func spans() {
        let one = starvation([0, 0, 0.1, 0.1, 0, 0, 0, 0.05, 0])
        #expect(abs(one.total - 0.25) < 1e-9)
        #expect(abs(one.seconds - 0.9) < 1e-9)
        #expect(abs(one.most(within: 0.2) - 0.2) < 1e-9)
        #expect(abs(one.most(within: 0.15) - 0.15) < 1e-9)
        #expect(abs(one.most(within: 10) - 0.25) < 1e-9)
        #expect(one.most(within: 0) == 0)
        #expect(Starvation().most(within: 1) == 0)
        // Two waits that are far apart do not explain one short gap.
        let apart = starvation([0.1] + [Double](repeating: 0, count: 50) + [0.1])
        #expect(abs(apart.most(within: 1) - 0.1) < 1e-9)
    }

    @Test("gaps: one that the host cannot explain is enough")
    func gaps() throws {
        let busy = starvation([Double](repeating: 0.095, count: 30))
        #expect(TimeClaim.gaps([40, 1000], limit: 1000, starvation: busy) == nil)
        let explained = try #require(TimeClaim.gaps([40, 1834], limit: 1000, starvation: busy))
        #expect(explained.explained)
        #expect(explained.words.contains("of 1834 ms"))
        let quiet = starvation([0.1, 0.1] + [Double](repeating: 0, count: 120))
        let plain = try #require(TimeClaim.gaps([1100, 10_000], limit: 1000, starvation: quiet))
        #expect(!plain.explained)
        #expect(plain.words == "at most 1000 ms were accepted, and the host explains 200 ms of 10000 ms")
    }

    private func states(_ agreed: Double?, _ elapsed: Double, _ starved: Double) -> [ExpectationResult.State] {
        StepTime(agreedAfter: agreed, elapsed: elapsed, within: 10, starved: starved)
            .judged([ExpectationResult("a", agreed == nil ? .unmet : .met, "x"), ExpectationResult("b", .met, "y")])
            .map(\.state)
    }

    @Test("a step that the host gave no time is inconclusive, one that had it fails")
    func within() {
        #expect(states(nil, 10.2, 0) == [.unmet, .met])
        #expect(states(nil, 16.2, 6) == [.unmet, .met])
        #expect(states(nil, 40, 31) == [.inconclusive, .met])
        #expect(states(9, 12, 5) == [.met, .met])
        #expect(states(12, 13, 5) == [.met, .met, .inconclusive])
        #expect(states(10.05, 11, 5) == [.met, .met])
        // An error is not a claim about time.
        #expect(
            StepTime(agreedAfter: nil, elapsed: 40, within: 10, starved: 39)
                .judged([ExpectationResult("a", .error, "x")]).map(\.state) == [.error])
        // A round that agrees had its time, so what its diagnosis lacks is not taken back.
        #expect(
            StepTime(agreedAfter: 1, elapsed: 40, within: 10, starved: 39)
                .takingBack([ExpectationResult("a", .unmet, "x")]).map(\.state) == [.unmet])
    }
}

@Suite struct HostReadingTests {
    private let start = ContinuousClock.now

    private func reading(_ seconds: Double, waited: UInt64, pressure: UInt64? = nil, stolen: UInt64 = 0) -> HostReading
    {
        var emulators = EmulatorTimes()
        emulators.threads["7"] = .init(ran: UInt64(seconds * 1e8), waited: waited * 1_000_000)
        return HostReading(
            at: start + .seconds(seconds), emulators: emulators, pressureMicros: pressure,
            ticks: .init(all: UInt64(seconds * 200), stolen: stolen), loadAverage: 3.5)
    }

    @Test("a wait is told when it is over, and belongs to the time before")
    func longWaits() {
        let starvation = Starvation([
            reading(0, waited: 0), reading(0.1, waited: 0), reading(0.2, waited: 0), reading(0.3, waited: 250),
            reading(0.4, waited: 250),
        ])
        let expected = [0.05, 0.1, 0.1, 0]
        for (interval, starved) in zip(starvation.intervals, expected) {
            #expect(abs(interval.starved - starved) < 1e-6)
            #expect(abs(interval.seconds - 0.1) < 1e-6)
        }
        #expect(starvation.intervals.count == expected.count)
    }

    @Test("stolen time counts, and nothing counts for more than the time that passed")
    func stolen() {
        let starvation = Starvation([reading(0, waited: 0), reading(1, waited: 300, stolen: 20)])
        #expect(abs(starvation.total - 0.5) < 1e-6)
        #expect(abs(Starvation([reading(0, waited: 0), reading(1, waited: 900, stolen: 90)]).total - 1) < 1e-6)
        #expect(Starvation([reading(0, waited: 9), reading(1, waited: 0)]).total == 0)
        #expect(Starvation([reading(0, waited: 0)]).intervals.isEmpty)
        #expect(Starvation([HostReading]()).intervals.isEmpty)
    }

    @Test func theLoadBetweenTwoReadings() {
        let load = HostLoad(
            from: reading(1, waited: 100, pressure: 1_000_000),
            to: reading(3, waited: 1_600, pressure: 2_500_000, stolen: 40))
        #expect(abs(load.seconds - 2) < 1e-6)
        #expect(abs((load.pressure ?? 0) - 0.75) < 1e-6)
        #expect(abs((load.steal ?? 0) - 0.1) < 1e-6)
        #expect(abs(load.emulatorsWaited - 1.5) < 1e-6)
        #expect(abs(load.emulatorsRan - 0.2) < 1e-6)
        #expect(load.loadAverage == 3.5)
        #expect(HostLoad(from: reading(1, waited: 0), to: reading(2, waited: 0)).pressure == nil)
    }

    @Test func filesOfTheKernel() throws {
        #expect(
            HostReading.pressure("some avg10=0.01 avg60=4.58 avg300=18.18 total=494479899\nfull avg10=0.00 total=7\n")
                == 494_479_899)
        #expect(HostReading.pressure("full avg10=0.00 total=7\n") == nil)
        #expect(HostReading.pressure("some total=x") == nil)
        #expect(
            HostReading.ticks("cpu  189692 7 8181 1090231 799 0 196 884 5 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
                == .init(all: 1_289_990, stolen: 884))
        #expect(HostReading.ticks("cpu  1 2 3\n") == nil)
        #expect(HostReading.ticks("") == nil)
        let proc = NSTemporaryDirectory() + "labrun-host-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: proc) }
        try FileManager.default.createDirectory(atPath: proc + "/pressure", withIntermediateDirectories: true)
        try "6.25 1.31 0.76 1/90 17858\n".write(toFile: proc + "/loadavg", atomically: false, encoding: .utf8)
        try "some avg10=0 avg60=0 avg300=0 total=12\n"
            .write(toFile: proc + "/pressure/cpu", atomically: false, encoding: .utf8)
        let reading = HostReading.read(proc)
        #expect(reading.loadAverage == 6.25 && reading.pressureMicros == 12 && reading.ticks == nil)
        // A kernel that provides none of the numbers.
        let nothing = HostReading.read(proc + "/none")
        #expect(nothing.loadAverage == nil && nothing.pressureMicros == nil && nothing.emulators.threads.isEmpty)
    }

    @Test func theWatchReadsFromBeforeTheMomentThatIsAskedFor() async {
        let watch = HostWatch()
        let moment = ContinuousClock.now
        let readings = await watch.readings(since: moment)
        #expect(readings.count == 2)
        #expect(readings[0].at <= moment && readings[1].at >= moment)
    }
}
