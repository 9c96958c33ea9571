import Foundation
import Testing

@testable import Runner

@Suite struct ProbePatienceTests {
    @Test(
        "a multiple of the slowest answer, between what is asked and its eightfold",
        arguments: [(0.0, 1.0), (0.05, 1), (0.25, 1), (0.5, 2), (1.43, 5.72), (2, 8), (60, 8)])
    func bounds(slowest: Double, deadline: Double) {
        var patience = ProbePatience(asked: 1)
        patience.learn(slowest: slowest, stretch: 2)
        #expect(abs(patience.deadline - deadline) < 1e-9)
        #expect(abs(patience.factor - deadline) < 1e-9)
    }

    @Test("the last round counts, one without an answer says nothing, and a host with time to spare changes nothing")
    func last() {
        var patience = ProbePatience(asked: 0.5)
        patience.learn(slowest: nil, stretch: 2)
        #expect(patience.deadline == 0.5)
        patience.learn(slowest: 0.3, stretch: 2)
        patience.learn(slowest: nil, stretch: 2)
        #expect(abs(patience.deadline - 1.2) < 1e-9)
        patience.learn(slowest: 0.01, stretch: 2)
        #expect(patience.deadline == 0.5)
        patience.learn(slowest: 0.3, stretch: 3)
        patience.learn(slowest: 0.4, stretch: 1.9)
        #expect(patience.deadline == 0.5)
    }

    @Test("silence is doubted only while the host is busy")
    func doubt() {
        var patience = ProbePatience(asked: 1)
        patience.doubt(stretch: 1.9)
        #expect(patience.factor == 1)
        patience.doubt(stretch: 3)
        #expect(patience.factor == 3)
        patience.doubt(stretch: 2)
        #expect(patience.factor == 6)
        patience.doubt(stretch: 40)
        #expect(patience.factor == 8)
    }

    @Test("what the busiest emulator waited, beside what it ran")
    func stretch() {
        var before = EmulatorTimes()
        before.threads = ["1": .init(ran: 0, waited: 0), "2": .init(ran: 0, waited: 0), "3": .init(ran: 9, waited: 9)]
        var after = before
        #expect(after.stretch(since: before, seconds: 1) == 1)
        // A thread that was ready for a tenth of the time says nothing.
        after.threads["1"] = .init(ran: 10_000_000, waited: 90_000_000)
        #expect(after.stretch(since: before, seconds: 1) == 1)
        after.threads["2"] = .init(ran: 200_000_000, waited: 600_000_000)
        #expect(after.stretch(since: before, seconds: 1) == 4)
        // A thread that hardly ran but waited does not give a ratio of hundreds.
        after.threads["1"] = .init(ran: 1_000_000, waited: 341_000_000)
        #expect(abs(after.stretch(since: before, seconds: 1) - 6.84) < 1e-9)
        after.threads["1"] = .init(ran: 1_000_000, waited: 990_000_000)
        #expect(abs(after.stretch(since: before, seconds: 1) - 19.82) < 1e-9)
        after.threads["1"] = .init(ran: 10_000_000, waited: 90_000_000)
        // One thread ended or began in between, and numbers run backwards.
        after.threads["3"] = .init(ran: 0, waited: 0)
        after.threads["4"] = .init(ran: 1, waited: .max)
        #expect(after.stretch(since: before, seconds: 1) == 4)
    }

    @Test("only emulators are read, and broken files are none")
    func reading() throws {
        let proc = NSTemporaryDirectory() + "labrun-proc-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: proc) }
        for (pid, comm, stat) in [
            ("7", "qemu-system-x86\n", "5 6 7\n"), ("8", "bash\n", "1 2 3\n"), ("9", "qemu-system-x86\n", "5 x"),
            ("a", "qemu-system-x86\n", "5 6 7\n"),
        ] {
            try FileManager.default.createDirectory(
                atPath: "\(proc)/\(pid)/task/\(pid)", withIntermediateDirectories: true)
            try comm.write(toFile: "\(proc)/\(pid)/comm", atomically: false, encoding: .utf8)
            try stat.write(toFile: "\(proc)/\(pid)/task/\(pid)/schedstat", atomically: false, encoding: .utf8)
        }
        #expect(EmulatorTimes.read(proc).threads == ["7": .init(ran: 5, waited: 6)])
        #expect(EmulatorTimes.read(proc + "/none").threads.isEmpty)
    }
}
