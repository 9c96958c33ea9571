import Foundation
import NodeLink
import NodeProtocol
import Testing

/// The runtime as PID 1 of a virtual machine, with a CNI plugin and an agent that are not this project's.
@Suite(.serialized, .enabled(if: VirtualNode.isAvailable, "LABRUN_TEST_KERNEL and LABRUN_TEST_LABNODE are not set"))
struct VirtualNodeTests {
    private static let conflist = #"{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"test-bridge"}]}"#

    private func pod(_ number: Int, labels: [String: String] = [:]) -> PodSpec {
        PodSpec(namespace: "default", name: "web-\(number)", uid: "u\(number)", labels: labels, port: 8080)
    }

    private func create(_ node: VirtualNode, _ spec: PodSpec) async throws -> PodStatus {
        let answer = try await node.link.call(.createPod(spec), deadline: .seconds(60))
        guard case .pod(let status) = answer.reply else { throw CocoaError(.coderInvalidValue) }
        return status
    }

    private func booted() async throws -> VirtualNode {
        let node = try VirtualNode()
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
        var announced: String?
        for await event in node.link.events {
            if case .network(let path) = event, path != nil {
                announced = path
                break
            }
        }
        #expect(announced == "/etc/cni/net.d/10-test.conflist")

        let before = try await snapshot(node)
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
        let after = try await snapshot(node)
        #expect(after.pods == [])
        #expect(after.links.filter { !$0.hasPrefix("cni0") } == before.links)
    }

    private func snapshot(_ node: VirtualNode) async throws -> NodeSnapshot {
        guard case .snapshot(let snapshot) = try await node.link.call(.snapshot, deadline: .seconds(20)).reply else {
            throw CocoaError(.coderInvalidValue)
        }
        return snapshot
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
        try await node.shell("kill -9 \(started.pid ?? 0)")
        var lines: [String] = []
        for await event in node.link.events {
            if case .log("agent", let line) = event { lines.append(line) }
            if case .agent(let state) = event, !state.running {
                #expect(state.ended == "signal 9")
                #expect(state.lastLines == ["agent says: {\"hello\":1}"])
                break
            }
        }
        #expect(lines == ["agent says: {\"hello\":1}"])
        _ = try await node.link.call(.startAgent, deadline: .seconds(10))
        guard case .agent(let stopped) = try await node.link.call(.stopAgent(signal: 15), deadline: .seconds(15)).reply
        else { return }
        #expect(stopped.ended == "signal 15")
        #expect(stopped.starts == 2)
    }

    @Test func powerOffEndsTheMachineAndACrashOfTheRuntimeIsSeen() async throws {
        let node = try await booted()
        _ = try await node.link.call(.powerOff, deadline: .seconds(10))
        node.waitForExit()
        node.end()
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
        print("round trip median \(times[100]), 99th \(times[198])")
    }
}
