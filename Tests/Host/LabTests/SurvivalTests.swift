import Foundation
import Glibc
import NamespaceHarness
import RunEvents
import Testing

/// Kills and interrupts at bad moments. Nothing may be left, and what still lives must report what happened.
@Suite(.serialized) struct SurvivalTests {
    /// Watches a run through its event stream, so that it can be hit at a known moment.
    ///
    /// - Parameter scenario: The scenario to run. By default it has a single node without workloads, because what is
    ///   killed is the same in a lab of any size.
    private func hit(
        _ scenario: String = LabrunProgram.scenario("slow-node"), then next: [String] = [],
        when reached: @escaping (RunEvent) -> Bool,
        thenWhen again: ((RunEvent) -> Bool)? = nil,
        _ strike: (Process) throws -> Void
    ) async throws -> (status: Int32, folder: ScratchFolder) {
        let folder = try ScratchFolder()
        let lane = await LabLanes.shared.lane()
        defer { lane.end() }
        var moments = [reached] + (again.map { [$0] } ?? [])
        let status = try await LabrunProgram().watch([scenario] + next, in: folder) { event, process in
            guard let moment = moments.first, moment(event) else { return }
            moments.removeFirst()
            try strike(process)
        }
        #expect(moments.isEmpty, "the moment never came")
        return (status, folder)
    }

    /// The moment at which a run is hit.
    enum Moment: String, CaseIterable, CustomTestStringConvertible {
        case boot, fault, teardown
        var testDescription: String { rawValue }

        func isReached(_ event: RunEvent) -> Bool {
            switch (self, event.payload) {
            case (.boot, .phaseStarted(.boot)), (.teardown, .phaseStarted(.teardown)): true
            // The fault is in force and proven, and has not been undone.
            case (.fault, .fault(_, let record)): record.state == .verified
            default: false
            }
        }
    }

    /// The process of a lab that is killed, by its name in `ps`.
    enum Victim: String, CaseIterable, CustomTestStringConvertible {
        case initProcess = "labrun-init"
        case labHost = "labrun-host"
        var testDescription: String { rawValue }
    }

    private func descendant(of process: Process, named name: String) throws -> Int32 {
        try #require(HostState.descendants(of: process.processIdentifier).first { $0.name.hasPrefix(name) }?.pid)
    }

    /// No process, interface or mount may be left, nor anything at the mount point that all labs of this user share.
    private func expectNothingLeft(of folder: ScratchFolder, since before: HostState) async throws {
        let left = try await HostState.leftovers(of: folder, since: before)
        #expect(left.isEmpty)
    }

    private func expectWholeReport(_ folder: ScratchFolder) {
        for name in ["report.json", "junit.xml", "report.html", "journal.jsonl"] {
            #expect(FileManager.default.fileExists(atPath: "\(folder.path)/report/\(name)"), "\(name)")
        }
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/report")) ?? []
        #expect(names.allSatisfy { !$0.hasSuffix(".part") }, "\(names)")
    }

    @Test(arguments: Moment.allCases)
    func `kill -9 of the outer labrun leaves nothing`(moment: Moment) async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: moment.isReached) { kill($0.processIdentifier, SIGKILL) }
        #expect(status == 128 + SIGKILL)
        try await expectNothingLeft(of: folder, since: before)
        // What was known by then is in the journal, in whole lines.
        let journal = try String(contentsOfFile: "\(folder.path)/report/journal.jsonl", encoding: .utf8)
        let lines = journal.split(separator: "\n")
        #expect(lines.count > 1)
        #expect(lines.allSatisfy { (try? EventLine.decode(Data($0.utf8))) != nil })
    }

    @Test(arguments: Victim.allCases, Moment.allCases)
    func `kill -9 inside the lab is an infra-error with a report`(victim: Victim, moment: Moment) async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: moment.isReached) { process in
            kill(try descendant(of: process, named: victim.rawValue), SIGKILL)
        }
        #expect(status == 3)
        let report = try folder.report()
        #expect(report.verdict == .infraError)
        #expect(report.message.contains("signal 9"), "\(report.message)")
        expectWholeReport(folder)
        try await expectNothingLeft(of: folder, since: before)
    }

    /// The run ends at once, and not only after a timeout.
    @Test func `kill -9 of one QEMU is an infra-error that names the node`() async throws {
        let before = try HostState.read()
        let clock = ContinuousClock()
        var struck = clock.now
        let (status, folder) = try await hit("vxlan-blocked-8472", when: Moment.fault.isReached) { process in
            struck = clock.now
            kill(try descendant(of: process, named: "qemu-system"), SIGKILL)
        }
        #expect(clock.now - struck < .seconds(5))
        #expect(status == 3)
        let report = try folder.report()
        #expect(report.verdict == .infraError)
        #expect(report.message.contains(/node[123] ended: QEMU failed or was killed/), "\(report.message)")
        #expect(report.message.contains("labnode:"), "no line of the console: \(report.message)")
        #expect(report.message.contains("no-vxlan"), "what is in force is not named: \(report.message)")
        expectWholeReport(folder)
        try await expectNothingLeft(of: folder, since: before)
    }

    /// Between two scenarios and in the second one, the lab is the first one's, which is kept.
    @Test(arguments: [Moment.teardown, .fault])
    func `kill -9 of the outer labrun leaves nothing of a lab that is kept`(moment: Moment) async throws {
        let before = try HostState.read()
        let slow = LabrunProgram.scenario("slow-node")
        var isKept = false
        let (status, folder) = try await hit(
            slow, then: [slow],
            when: { event in
                if case .labDescribed(let lab) = event.payload { isKept = lab.kept != nil }
                if moment == .teardown, case .labHandover(let handover) = event.payload { return handover.isKept }
                return isKept && moment == .fault && moment.isReached(event)
            }
        ) { kill($0.processIdentifier, SIGKILL) }
        #expect(status == 128 + SIGKILL)
        try await expectNothingLeft(of: folder, since: before)
    }

    @Test func `SIGINT in the second scenario of a lab ends it in order, and no third one runs`() async throws {
        let before = try HostState.read()
        let slow = LabrunProgram.scenario("slow-node")
        var isKept = false
        let (status, folder) = try await hit(
            slow, then: [slow, slow],
            when: { event in
                if case .labDescribed(let lab) = event.payload { isKept = lab.kept != nil }
                return isKept && Moment.fault.isReached(event)
            }
        ) { kill($0.processIdentifier, SIGINT) }
        #expect(status == 130)
        #expect(try folder.report("report/slow-node").verdict == .pass)
        #expect(try folder.report("report/slow-node-2").verdict == .interrupted)
        #expect(!FileManager.default.fileExists(atPath: "\(folder.path)/report/slow-node-3"))
        try await expectNothingLeft(of: folder, since: before)
    }

    @Test(arguments: [Moment.boot, .fault])
    func `SIGINT ends in order, with a report`(moment: Moment) async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(when: moment.isReached) { kill($0.processIdentifier, SIGINT) }
        #expect(status == 130)
        let report = try folder.report()
        #expect(report.verdict == .interrupted)
        #expect(report.phases["teardown"] != nil)
        expectWholeReport(folder)
        try await expectNothingLeft(of: folder, since: before)
    }

    @Test func `a second SIGINT ends at once`() async throws {
        let before = try HostState.read()
        let (status, folder) = try await hit(
            when: Moment.fault.isReached,
            thenWhen: { event in
                if case .phaseStarted(.teardown) = event.payload { true } else { false }
            }
        ) { kill($0.processIdentifier, SIGINT) }
        #expect(status == 130)
        #expect(try folder.report().verdict == .interrupted)
        expectWholeReport(folder)
        try await expectNothingLeft(of: folder, since: before)
    }
}
