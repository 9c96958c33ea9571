import AgentAPI
import Faults
import Foundation
import NodeProtocol
import RunEvents
import Scenario
import Synchronization
import Testing

@testable import Lab
@testable import Runner

/// What makes two requests ones for the same lab.
@Suite struct RunRequestTests {
    private func request(_ scenario: String = "link-flap") throws -> RunRequest {
        let loaded = try ScenarioLoader.load(scenario, faults: FaultCatalogue.shipped.descriptors)
        return RunRequest(
            scenario: loaded.scenario, profile: loaded.profile,
            image: .init(kernelPath: "/k", initrdPath: "/i", release: "6.1", parameters: []), accelerator: "tcg",
            reportDirectory: "/reports/\(scenario)", capabilitiesCache: "/cache", seed: 1, timeout: 600,
            pauseOnFail: false, keep: false)
    }

    @Test(arguments: ["node-crash", "lossy-underlay", "network-policy-l3-l4", "vxlan-blocked-one-way"])
    func `other steps and another report folder leave the lab the same`(name: String) throws {
        #expect(try request(name).lab() == request().lab())
    }

    @Test func `what belongs to a run alone leaves the lab the same`() throws {
        var other = try request()
        (other.seed, other.timeout, other.pauseOnFail, other.keep, other.handsOn) = (2, 5, true, true, true)
        other.notKept = .init(from: "a", because: ["b"])
        #expect(try other.lab() == request().lab())
    }

    @Test func `whatever machines and agents are made from tells labs apart`() throws {
        let changes: [@Sendable (inout RunRequest) -> Void] = [
            { $0.profile.memoryMiB += 1 }, { $0.profile.nodeCount = 2 }, { $0.profile.sourceDestinationCheck.toggle() },
            { $0.profile.datapathValues["policyEnforcementMode"] = "always" },
            { $0.profile.kubeProxy.enabled.toggle() },
            { $0.profile.securityGroups[0].rules.removeLast() }, { $0.profile.cloudPlugin = .ptp },
            { $0.image.kernelPath = "/other" }, { $0.image.initrdPath = "/other" }, { $0.image.parameters = ["x"] },
            { $0.image.userlandPath = "/userland" }, { $0.accelerator = "kvm" },
        ]
        let lab = try request().lab()
        for (index, change) in changes.enumerated() {
            var other = try request()
            change(&other)
            #expect(try other.lab() != lab, "change \(index)")
        }
    }
}

@Suite struct LiveLogTests {
    /// A program that keeps its log open goes on in the next run's folder, and neither run has lines of the other.
    @Test func `a log goes from one run's folder to the next one's`() throws {
        let root = NSTemporaryDirectory() + "labrun-live-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: root) }
        let folders = ["a", "b"].map { "\(root)/\($0)" }
        for folder in folders {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }
        let path = folders[0] + "/console-node1.log"
        let program = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
        defer { close(program) }
        func write(_ line: String) { _ = line.withCString { Glibc.write(program, $0, strlen($0)) } }
        func text(_ folder: String) throws -> String {
            try String(contentsOfFile: folder + "/console-node1.log", encoding: .utf8)
        }
        var log = LiveLog(path: path)
        write("first\n")
        let before = log.path
        try log.cut { try FileManager.default.moveItem(atPath: before, toPath: $0) }
        #expect(LabHostRun.found(in: folders[0]).keys.sorted() == ["console-node1.log"])
        write("second\n")
        #expect(try text(folders[0]) == "first\n")
        let hidden = log.path
        try log.show(in: folders[1]) { try FileManager.default.moveItem(atPath: hidden, toPath: $0) }
        write("third\n")
        #expect(try text(folders[0]) == "first\n")
        #expect(try text(folders[1]) == "second\nthird\n")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folders[0]) == ["console-node1.log"])
        #expect(log.path == folders[1] + "/console-node1.log")
    }
}

@Suite struct HandOnTests {
    private static func counter(_ reason: String, _ code: Int, _ packets: UInt64) -> MetricSample {
        MetricSample(reason: reason, code: code, direction: "ingress", packets: packets, bytes: packets * 100)
    }

    @Test func `a run is told only the drops that were counted since it began`() {
        let before = [Self.counter("forwarded", 0, 10), Self.counter("policy-denied-ingress", 1, 5)]
        let now = [
            Self.counter("forwarded", 0, 12), Self.counter("policy-denied-ingress", 1, 5),
            Self.counter("no-route", 2, 3),
        ]
        #expect(now.since(before) == [Self.counter("forwarded", 0, 2), Self.counter("no-route", 2, 3)])
        // The node was started again.
        #expect([Self.counter("forwarded", 0, 4)].since(before) == [Self.counter("forwarded", 0, 4)])
    }

    @Test func `what happens between two runs is told to the second one`() throws {
        let told = Mutex<[String]>([])
        func emitter(_ name: String) -> Emitter {
            Emitter { event in
                guard case .node(let progress) = event.payload else { return }
                told.withLock { $0.append("\(name) \(progress.node) \(progress.state)") }
            }
        }
        let notices = NodeNotices()
        notices.begin(emitter: emitter("first"), directory: "/nowhere")
        notices.take("node1", .ready)
        notices.pause()
        notices.take("node2", .ready)
        #expect(told.withLock { $0 } == ["first node1 ready"])
        notices.begin(emitter: emitter("second"), directory: "/nowhere")
        #expect(told.withLock { $0 } == ["first node1 ready", "second node2 ready"])
    }

    /// A stream that a cancelled run leaves ends for good. What fails later must not be lost with it.
    @Test(.timeLimit(.minutes(1))) func `a failure between two runs is seen by the second one`() async {
        let log = FailureLog()
        let first = Task { for await _ in log.watch() {} }
        first.cancel()
        await first.value
        log.add(LabError(.nodeFailed, "node1 ended"))
        #expect(log.unseen.map(\.message) == ["node1 ended"])
        let second = log.watch()
        log.add(LabError(.nodeFailed, "node2 ended"))
        log.finish()
        var seen: [String] = []
        for await failure in second { seen.append(failure.message) }
        #expect(seen == ["node1 ended", "node2 ended"])
        #expect(log.unseen.isEmpty)
    }

    /// In a lab that others have had, the pods of a node that was started again get other addresses than before.
    @Test func `pods of a node that has booted since may have other addresses, and others may not`() {
        func snapshot(_ address: String, boots: Int, phase: String = "Running") -> LabSnapshot {
            LabSnapshot(state: ["node2 pods": ["default/web \(address) \(phase)"]], boots: ["node2": boots])
        }
        let before = snapshot("192.168.2.13", boots: 1)
        #expect(snapshot("192.168.2.3", boots: 2).differences(since: before).isEmpty)
        #expect(snapshot("192.168.2.3", boots: 1).differences(since: before).count == 2)
        #expect(snapshot("192.168.2.3", boots: 2, phase: "Failed").differences(since: before).count == 2)
        #expect(!LabSnapshot(state: ["node2 pods": []], boots: ["node2": 2]).differences(since: before).isEmpty)
    }

    /// A node that has joined since is no leftover, and neither are other nodes' routes to it. Everything else is.
    @Test func `what a join changes is not compared`() {
        func snapshot(_ routes: [String], third: [String]?) -> LabSnapshot {
            var state = ["node1 routes": routes]
            var members: [String: Set<String>] = ["node1": ["10.0.0.11", "192.168.1.0/24"]]
            if let third {
                state["node3 power"] = third
                members["node3"] = ["10.0.0.13", "10.0.0.13/32", "192.168.3.0/24"]
            }
            return LabSnapshot(state: state, members: members)
        }
        let before = snapshot(["default via 10.0.0.1"], third: nil)
        let after = snapshot(
            ["default via 10.0.0.1", "192.168.3.0/24 dev labrun_vxlan", "192.168.9.0/24 via 10.0.0.13"],
            third: ["running"])
        #expect(after.differences(since: before) == [])
        #expect(before.differences(since: after) == [])
        let left = snapshot(["default via 10.0.0.1", "192.168.33.0/24 dev eth0"], third: ["running"])
        #expect(left.differences(since: before) == ["node1 routes: + 192.168.33.0/24 dev eth0"])
        #expect(snapshot(["default via 10.0.0.1"], third: ["paused"]).differences(since: after).count == 4)
        #expect(after.merging(before).members.count == 2)
    }

    /// The command may arrive while the run that it means is being made.
    @Test(.timeLimit(.minutes(1))) func `a command to stop that comes early stops the run, and no other begins`() async
    {
        let (lines, sink) = AsyncStream.makeStream(of: [UInt8].self)
        let desk = CommandDesk(lines, signals: nil)
        for line in ["{}", "stop", "{}"] { sink.yield(Array(line.utf8)) }
        sink.finish()
        var runs = 0
        for await _ in desk.requests {
            runs += 1
            let gate = Gate()
            let run = Task { await gate.wait() }
            desk.follow(run, gate)
            await run.value
            desk.unfollow()
        }
        #expect(runs == 1)
    }

    @Test(.timeLimit(.minutes(1))) func `requests are carried out until the command to end`() async {
        let (lines, sink) = AsyncStream.makeStream(of: [UInt8].self)
        let desk = CommandDesk(lines, signals: nil)
        for line in ["{1}", "{2}", "end", "{3}"] { sink.yield(Array(line.utf8)) }
        var told: [String] = []
        for await line in desk.requests { told.append(String(decoding: line, as: UTF8.self)) }
        #expect(told == ["{1}", "{2}"])
    }
}
