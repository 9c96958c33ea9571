import Foundation
import NamespaceHarness
import Reports
import RunEvents
import Testing

/// Scenarios of one command that share a lab, and those that must not.
@Suite(.serialized) struct KeptLabTests {
    /// Runs scenarios with one command; nothing of it may be left when it has ended.
    private func run(
        _ scenarios: [String], _ options: [String] = []
    ) async throws -> (ended: LabrunProgram.Ended, folder: ScratchFolder) {
        let folder = try ScratchFolder()
        let before = try HostState.read()
        let ended = try await LabrunProgram().run(scenarios: scenarios, in: folder, options)
        let left = try await HostState.leftovers(of: folder, since: before)
        #expect(left.isEmpty)
        return (ended, folder)
    }

    /// The nodes that were powered on in a run, by its events.
    private func boots(_ folder: ScratchFolder, _ name: String) throws -> [String] {
        try events(folder, name).compactMap { event in
            if case .node(let progress) = event.payload, progress.state == "runtime" { progress.node } else { nil }
        }
    }

    private func events(_ folder: ScratchFolder, _ name: String) throws -> [RunEvent] {
        let journal = try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/report/\(name)/journal.jsonl"))
        return try journal.split(separator: 0x0A).map { try EventLine.decode(Data($0)) }
    }

    private func artifact(_ folder: ScratchFolder, _ name: String, _ file: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/report/\(name)/artifacts/\(file)"))
    }

    @Test func `two scenarios share a lab, and each has its own packets, logs and report`() async throws {
        let (first, second) = ("vxlan-blocked-8472", "everything-open")
        let (ended, folder) = try await run([first, LabrunProgram.scenario(second)], ["--nodes", "2"])
        let reports = [
            try ended.passed(in: folder, "report/\(first)"), try ended.passed(in: folder, "report/\(second)"),
        ]

        // One boot, which belongs to the first.
        #expect(try boots(folder, first).sorted() == ["node1", "node2"])
        #expect(try boots(folder, second) == [])
        #expect(reports[0].lab?.kept == nil)
        #expect(reports[1].lab?.kept == .init(from: first, after: [first]))
        #expect(reports[1].lab?.notKept == nil)
        #expect(ended.output.contains("booted for \(first) and kept"))
        let page = try String(contentsOfFile: "\(folder.path)/report/\(second)/report.html", encoding: .utf8)
        #expect(page.contains("booted for \(first) and kept"))
        for report in reports { for phase in ["boot", "ready", "teardown"] { #expect(report.phases[phase] != nil) } }
        #expect((reports[1].phases["boot"] ?? 0) < (reports[0].phases["boot"] ?? 0) / 4)

        // Every packet of a capture is of its own run.
        let border = reports[1].startedAt.timeIntervalSince1970
        for tap in ["tap1", "tap2"] {
            let before = try PacketTimes(artifact(folder, first, "\(tap).pcapng")).seconds
            let after = try PacketTimes(artifact(folder, second, "\(tap).pcapng")).seconds
            #expect(before.count > 100 && after.count > 100)
            #expect(before.allSatisfy { $0 < border })
            #expect(after.allSatisfy { $0 >= border })
        }
        let logs = try [first, second].map {
            String(decoding: try artifact(folder, $0, "vpc-flow.log"), as: UTF8.self)
        }
        #expect(logs[0].contains("REJECT") && logs[1].contains("ACCEPT") && !logs[1].contains("REJECT"))
        let consoles = try [first, second].map {
            String(decoding: try artifact(folder, $0, "console-node1.log"), as: UTF8.self)
        }
        #expect(consoles[0].contains("labnode:") && !consoles[1].contains("labnode:"))

        // The first report is final when the second run begins: its files are what it says they are.
        for artifact in reports[0].artifacts {
            let file = "\(folder.path)/report/\(first)/\(artifact.path)"
            let size = try FileManager.default.attributesOfItem(atPath: file)[.size] as? NSNumber
            #expect(size?.intValue == artifact.bytes, "\(artifact.path)")
        }
        for name in [first, second] {
            let files = try FileManager.default.contentsOfDirectory(atPath: "\(folder.path)/report/\(name)/artifacts")
            #expect(files.allSatisfy { !$0.hasPrefix(".") }, "\(files)")
        }
    }

    @Test func `a lab that is not clean is not kept, and the next report names what was left`() async throws {
        let scenario = LabrunProgram.scenario("leaves-translations")
        let (ended, folder) = try await run([scenario, scenario])
        try ended.passed(in: folder, "report/leaves-translations")
        let second = try ended.passed(in: folder, "report/leaves-translations-2")
        #expect(try boots(folder, "leaves-translations-2") == ["node1"])
        #expect(second.lab?.kept == nil)
        let reason = try #require(second.lab?.notKept)
        #expect(reason.from == "leaves-translations")
        #expect(reason.because.contains { $0.hasPrefix("node1 masqueraded: + ") }, "\(reason.because)")
        #expect(ended.output.contains("was not kept: node1 masqueraded"))
    }

    @Test func `a scenario that failed hands its lab to nobody`() async throws {
        let scenarios = ["wrong-expectation", "everything-open"]
        let (ended, folder) = try await run(scenarios.map(LabrunProgram.scenario), ["--nodes", "1"])
        #expect(ended.status == 1)
        #expect(try folder.report("report/wrong-expectation").verdict == .fail)
        let second = try folder.report("report/everything-open")
        #expect(second.verdict == .pass)
        #expect(second.lab?.notKept?.because == ["the scenario ended with fail"])
        #expect(try boots(folder, "everything-open") == ["node1"])
    }

    @Test func `with --fresh-labs every scenario boots its own`() async throws {
        let scenario = LabrunProgram.scenario("everything-open")
        let (ended, folder) = try await run([scenario, scenario], ["--nodes", "1", "--fresh-labs"])
        for name in ["everything-open", "everything-open-2"] {
            let report = try ended.passed(in: folder, "report/\(name)")
            #expect(report.lab?.kept == nil && report.lab?.notKept == nil)
            #expect(try boots(folder, name) == ["node1"])
        }
    }
}

/// The times of the packets in a capture that labrun wrote: pcapng, little endian, times in nanoseconds.
private struct PacketTimes {
    /// Seconds since 1970, in the file's order.
    let seconds: [Double]

    init(_ file: Data) {
        let bytes = [UInt8](file)
        func word(_ place: Int) -> UInt64 { (0..<4).reduce(0) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) } }
        var times: [Double] = []
        var place = 0
        while place + 12 <= bytes.count {
            let length = Int(word(place + 4))
            guard length >= 12, place + length <= bytes.count else { break }
            // 6 is the enhanced packet block.
            if word(place) == 6 { times.append(Double(word(place + 12) << 32 | word(place + 16)) / 1e9) }
            place += length
        }
        seconds = times
    }
}
