import Foundation
import Glibc
import NodeLink
import NodeProtocol
import Testing

/// The runtime as PID 1 of a virtual machine, with a CNI plugin and an agent that are not part of this project.
@Suite(.serialized) struct VirtualNodeTests {
    private static let conflist = #"{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"test-bridge"}]}"#

    private func pod(_ number: Int, labels: [String: String] = [:]) -> PodSpec {
        PodSpec(namespace: "default", name: "web-\(number)", uid: "u\(number)", labels: labels, port: 8080)
    }

    private func create(_ node: VirtualNode, _ spec: PodSpec) async throws -> PodStatus {
        let answer = try await node.link.call(.createPod(spec), deadline: .seconds(60))
        guard case .pod(let status) = answer.reply else { throw CocoaError(.coderInvalidValue) }
        return status
    }

    private func booted(restarts: Bool = false) async throws -> VirtualNode {
        let node = try await VirtualNode(restarts: restarts)
        do {
            let hello = try await node.link.ready(within: .seconds(60))
            print("uptime at hello: \(hello.uptimeMillis) ms; \(node.console.split(separator: "\n").last ?? "")")
            _ = try await node.link.call(.configure(node.configuration()), deadline: .seconds(20))
        } catch {
            print(node.console)
            node.end()
            throw error
        }
        return node
    }

    @Test func podsThroughAForeignPlugin() async throws {
        let node = try await booted()
        defer { node.end() }
        let early = try await create(node, pod(1))
        #expect(early.phase == "ContainerCreating")
        #expect(early.message == "no networks found in /etc/cni/net.d")

        try await node.shell("echo '\(Self.conflist)' > /etc/cni/net.d/10-test.conflist")
        let announced = await first(of: node.link.events, within: 10) { event -> String? in
            if case .network(let path) = event { path } else { nil }
        }
        #expect(announced == "/etc/cni/net.d/10-test.conflist")

        #expect(try await node.shell("readlink /var/run").output == "/run\n")
        let before = try await node.snapshot()
        let clock = ContinuousClock.now
        var addresses: [String] = []
        for number in 1...4 {
            let status = try await create(node, pod(number, labels: ["app": "a b", "tier": "front"]))
            #expect(status.phase == "Running", "\(status.message ?? "")")
            addresses.append(status.address ?? "")
        }
        print("4 pods in \(ContinuousClock.now - clock)")
        #expect(Set(addresses).count == 4)
        let calls = try await node.shell("cat /run/test-bridge/calls /run/test-bridge/last-ADD").output
        #expect(
            calls.contains(
                "K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-1;K8S_POD_UID=u1;LABRUN_LABELS=app=a%20b,tier=front"))
        #expect(calls.contains(#""name":"test""#) && calls.contains(#""cniVersion":"1.0.0""#))

        try await measureAllPairs(node, addresses)

        for number in 1...4 {
            let reference = PodReference(namespace: "default", name: "web-\(number)")
            if number == 4 {
                try await node.shell("touch /run/test-bridge/refuse-del")
                let error = await #expect(throws: NodeLinkError.self) {
                    try await node.link.call(.deletePod(reference), deadline: .seconds(30))
                }
                #expect(error?.message.contains("cannot let go") == true)
            } else {
                _ = try await node.link.call(.deletePod(reference), deadline: .seconds(30))
            }
        }
        #expect(try await node.shell("ls /run/netns").output == "")
        let after = try await node.snapshot()
        #expect(after.pods == [])
        // The carrier's state is left out, because eth0 gets its carrier some time after the boot.
        func settled(_ links: [String]) -> [String] {
            links.filter { !$0.hasPrefix("cni0") }.map { $0.replacing(" running", with: "") }
        }
        #expect(settled(after.links) == settled(before.links))
    }

    private func measureAllPairs(_ node: VirtualNode, _ addresses: [String]) async throws {
        let sources =
            addresses.indices.map {
                ProbeSource(index: $0, pod: PodReference(namespace: "default", name: "web-\($0 + 1)"))
            } + [ProbeSource(index: 90, pod: nil)]
        let targets = addresses.enumerated().map { ProbeTarget(index: 10 + $0, address: $1, port: 8080) }
        let plan = ProbePlan(
            id: 1, deadlineMillis: 3000, protocols: ["tcp", "udp", "icmp"], sources: sources, targets: targets,
            pairs: sources.map { source in targets.indices.filter { $0 != source.index } })
        let (summary, results) = try await node.link.probe(plan)
        print("\(summary)")
        // Each source calls all targets but its own address, over three protocols.
        #expect(results.count == 3 * (sources.count * targets.count - addresses.count))
        for result in results { #expect(result.outcome == .open, "\(result)") }
        let sightings = try await node.link.sightings(plan: 1)
        #expect(Set(sightings.map { "\($0.sourceIndex) \($0.targetIndex) \($0.protocol)" }).count == results.count)
    }

    @Test func failuresOfPluginsAreNamed() async throws {
        let node = try await booted()
        defer { node.end() }
        let cases = [
            (#"{"type":"test-bridge","refuse":true}"#, "no addresses left; 10.88.0.0/24"),
            (#"{"type":"test-bridge","crash":true}"#, "oh dear"),
            (#"{"type":"absent"}"#, #"failed to find plugin "absent" in path [/opt/cni/bin]"#),
        ]
        for (index, (plugin, words)) in cases.enumerated() {
            try await node.shell(
                "echo '{\"cniVersion\":\"1.0.0\",\"name\":\"t\",\"plugins\":[\(plugin)]}' > /etc/cni/net.d/1-t.conflist"
            )
            let status = try await create(node, pod(index))
            #expect(status.phase == "ContainerCreating")
            #expect(status.message?.contains(words) == true, "\(status.message ?? "")")
        }
        #expect(try await node.shell("ls /run/netns").output == "")
    }

    @Test func theAgentComesAndGoes() async throws {
        let node = try await booted()
        defer { node.end() }
        guard case .agent(let started) = try await node.link.call(.startAgent, deadline: .seconds(10)).reply else {
            Issue.record("no agent state")
            return
        }
        #expect(started.running)
        let line = "agent says: {\"hello\":1}"
        let logged = await first(of: node.link.events, within: 10) { event -> String? in
            if case .log("agent", let line) = event { line } else { nil }
        }
        #expect(logged == line)
        #expect(try await node.snapshot().agentRunning)
        try await node.shell("kill -9 \(started.pid ?? 0)")
        let ended = await first(of: node.link.events, within: 10) { event -> AgentState? in
            if case .agent(let state) = event, !state.running { state } else { nil }
        }
        #expect(ended?.ended == "signal 9")
        #expect(ended?.lastLines == [line])
        #expect(try await !node.snapshot().agentRunning)
        _ = try await node.link.call(.startAgent, deadline: .seconds(10))
        let reply = try await node.link.call(.operate(.endAgent(signal: 15)), deadline: .seconds(15)).reply
        guard case .reading(.agent(let stopped)) = reply else {
            Issue.record("no agent state")
            return
        }
        #expect(stopped.ended == "signal 15")
        #expect(stopped.starts == 2)
    }

    @Test func powerOffEndsTheMachine() async throws {
        let node = try await booted()
        defer { node.end() }
        _ = try await node.link.call(.powerOff, deadline: .seconds(10))
        #expect(try await node.hasEnded(within: 15))
    }

    @Test func netemIsSetReadAndCleared() async throws {
        let node = try await booted()
        defer { node.end() }
        let before = try await node.snapshot()
        func operate(_ operation: NodeOperation) async throws -> RootQdisc? {
            let reply = try await node.link.call(.operate(operation), deadline: .seconds(10)).reply
            if case .reading(.rootQdisc(let qdisc)) = reply { return qdisc }
            return nil
        }
        let netem = NetemParameters(
            delayMillis: 20, jitterMillis: 5, lossPercent: 30, corruptPercent: 1, duplicatePercent: 2,
            reorderPercent: 25)
        let set = try await operate(.setNetem(netem, interface: "eth0"))
        #expect(set?.netem?.isClose(to: netem) == true, "\(String(describing: set))")
        #expect(try await operate(.readRootQdisc(interface: "eth0")) == set)
        let line = try #require(try await node.snapshot().qdiscs.first { $0.hasPrefix("eth0 netem") })
        #expect(line.contains("delay 20000us jitter 5000us loss 30% corrupt 1% duplicate 2% reorder 25%"), "\(line)")
        let removed = try await operate(.removeNetem(interface: "eth0"))
        #expect(removed != nil && removed?.netem == nil)
        #expect(try await node.snapshot().qdiscs == before.qdiscs)
        // To remove a discipline that is gone already is no error.
        #expect(try await operate(.removeNetem(interface: "eth0")) == removed)
        let wrong: [NodeOperation] = [
            .setNetem(NetemParameters(lossPercent: 101), interface: "eth0"),
            .setNetem(NetemParameters(delayMillis: 275_000), interface: "eth0"),
            .setNetem(NetemParameters(lossPercent: 1), interface: "eth9"),
        ]
        for operation in wrong {
            await #expect(throws: NodeLinkError.self) { _ = try await operate(operation) }
        }
        #expect(try await node.snapshot().qdiscs == before.qdiscs)
    }

    /// The host goes away in the middle of a frame and comes back. The node finds the next frame, keeps its state, and
    /// reports what happened in between.
    @Test func theHostComesBack() async throws {
        let node = try await booted()
        defer { node.end() }
        try await node.shell("echo '\(Self.conflist)' > /etc/cni/net.d/10-test.conflist")
        #expect(try await create(node, pod(1)).phase == "Running")
        guard case .agent(let agent) = try await node.link.call(.startAgent, deadline: .seconds(10)).reply else {
            Issue.record("no agent state")
            return
        }
        let hello = try await node.link.ready(within: .seconds(5))
        let before = try await node.snapshot()
        let pid = agent.pid ?? 0
        // The runtime has seen the agent's end when the kernel no longer lists the process.
        try await node.shell(
            "exec 3</dev/ttyS1; (read go <&3; kill -9 \(pid); while [ -d /proc/\(pid) ]; do sleep 0.1; done; "
                + "echo agent-is-gone >/dev/console) >/dev/null 2>&1 &")
        node.link.close()
        await #expect(throws: NodeLinkError.self) {
            try await node.link.call(.snapshot, deadline: .seconds(1))
        }
        try await sendHalfAFrame(to: node.socketPath)
        // The agent ends while nobody listens.
        try node.go()
        #expect(try await node.says("agent-is-gone", within: 20))

        let again = NodeLink(node: "node1", path: node.socketPath)
        defer { again.close() }
        let helloAgain = try await again.ready(within: .seconds(10))
        #expect(helloAgain.bootID == hello.bootID)
        #expect(helloAgain.configured)
        let ended = await first(of: again.events, within: 10) { event -> AgentState? in
            if case .agent(let state) = event { state } else { nil }
        }
        #expect(ended?.running == false)
        #expect(ended?.ended == "signal 9")
        let after = try await node.snapshot(through: again)
        #expect(after.pods == before.pods && after.routes == before.routes && after.conflists == before.conflists)
    }

    /// Sends the beginning of a frame from a host that then hangs up (see `Frame`: its length is never reached).
    private func sendHalfAFrame(to path: String) async throws {
        let frame = try Frame.request(.snapshot, session: 77, id: 5).encoded ?? []
        #expect(frame.count > 8)
        // QEMU serves one client at a time, so the link's own connection has to be gone.
        let socket = try connectedSocket(to: path)
        defer { close(socket) }
        #expect(write(socket, frame, frame.count / 2) == frame.count / 2)
        // QEMU takes only what the guest's port has room for, so the guest has the half once QEMU has read all of it.
        let deadline = ContinuousClock.now + .seconds(10)
        while unread(socket) > 0, .now < deadline { try await Task.sleep(for: .milliseconds(5)) }
        #expect(unread(socket) == 0)
    }

    /// The bytes that were written to a unix socket and that its peer has not read yet (SIOCOUTQ, unix(7)).
    private func unread(_ socket: Int32) -> Int32 {
        var bytes: Int32 = -1
        return ioctl(socket, UInt(TIOCOUTQ), &bytes) == 0 ? bytes : -1
    }

    @Test func aRebootIsToldFromAReconnect() async throws {
        let node = try await booted(restarts: true)
        defer { node.end() }
        let before = try await node.link.ready(within: .seconds(5))
        let pending = Task {
            try await node.link.call(
                .execute(
                    Execute(arguments: ["/bin/sleep", "60"], deadlineMillis: 60_000)), deadline: .seconds(60))
        }
        // The request has been sent once a later one is answered.
        try await node.shell("true")
        _ = try? await node.link.call(
            .execute(Execute(arguments: ["/bin/sh", "-c", "echo b > /proc/sysrq-trigger"], deadlineMillis: 5000)),
            deadline: .seconds(30))
        let error = await #expect(throws: NodeLinkError.self) { try await pending.value }
        #expect(error?.code == .nodeRestarted)
        let told = await first(of: node.link.events, within: 30) { event -> String? in
            if case .started(let hello) = event, hello.bootID != before.bootID { hello.bootID } else { nil }
        }
        let after = try await node.link.ready(within: .seconds(5))
        #expect(after.bootID == told)
        #expect(!after.configured)
        #expect(try await node.snapshot().pods == [])
    }

    /// Times are read from monotonic clocks. A date that is set forward while flows run makes no gap in them, and no
    /// probe slow or late.
    @Test func aDateSetForwardChangesNoTime() async throws {
        let node = try await booted()
        defer { node.end() }
        try await node.shell("echo '\(Self.conflist)' > /etc/cni/net.d/10-test.conflist")
        _ = try await create(node, pod(1))
        let called = try #require(try await create(node, pod(2)).address)
        let sources = [ProbeSource(index: 0, pod: PodReference(namespace: "default", name: "web-1"))]
        let targets = [ProbeTarget(index: 1, address: called, port: 8080)]
        let protocols = ["tcp", "udp", "icmp"]
        _ = try await node.link.call(
            .openStreams(
                StreamPlan(
                    id: 7, intervalMillis: 20, protocols: protocols, sources: sources, targets: targets, pairs: [[0]])),
            deadline: .seconds(10))
        _ = try await readings(of: 7, at: node, answered: 10)
        #expect(try await node.shell("date -s '2030-01-01 00:00:00' >/dev/null && date +%Y").output == "2030\n")
        let after = try await readings(of: 7, at: node, answered: 20)
        #expect(after.count == protocols.count)
        for reading in after {
            #expect(reading.established && reading.ended == nil, "\(reading)")
            #expect(reading.longestGapMillis < 10_000 && reading.silentMillis < 10_000, "\(reading)")
        }
        let (_, results) = try await node.link.probe(
            ProbePlan(
                id: 8, deadlineMillis: 3000, protocols: protocols, sources: sources, targets: targets, pairs: [[0]]))
        #expect(results.count == protocols.count)
        for result in results {
            #expect(result.outcome == .open && result.roundTripMicros < 3_000_000, "\(result)")
        }
    }

    /// Waits until every stream of a plan was answered this often, and returns the node's readings.
    private func readings(of plan: UInt64, at node: VirtualNode, answered: Int) async throws -> [StreamReading] {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let reply = try await node.link.call(.readStreams(id: plan), deadline: .seconds(10)).reply
            guard case .streams(let readings) = reply else { throw CocoaError(.coderInvalidValue) }
            if readings.allSatisfy({ $0.answered >= answered }) || .now > deadline { return readings }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    @Test func roundTrips() async throws {
        let node = try await booted()
        defer { node.end() }
        var times: [Duration] = []
        for _ in 0..<200 {
            let start = ContinuousClock.now
            _ = try await node.link.call(.sightings(plan: 9), deadline: .seconds(5))
            times.append(ContinuousClock.now - start)
        }
        times.sort()
        #expect(times[100] < .milliseconds(50), "median \(times[100]), 99th \(times[198])")
    }
}
