import AgentAPI
import DatapathOptions
import Foundation
import KubeObjects
import LinuxKernel
import Testing

@testable import Datapath

@Suite final class StartingAgentTests {
    private let directory = NSTemporaryDirectory() + "starting-\(UUID().uuidString)"
    deinit { try? FileManager.default.removeItem(atPath: directory) }

    private func starting() throws -> StartingAgent {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        return try StartingAgent(
            AgentConfig(
                nodeName: "node1", nodeAddress: "10.0.0.11", podCIDR: "", clusterPodCIDRs: ["192.168.0.0/16"],
                statePath: directory))
    }

    private func push(_ nodes: [Node], to agent: StartingAgent) throws -> String {
        let request = try JSONEncoder().encode(AgentRequest(.setObjects, ObjectSet(nodes)))
        return String(decoding: agent.answer(Array(request)), as: UTF8.self)
    }

    private func node(_ name: String, _ podCIDR: String?) -> Node {
        Node(metadata: ObjectMeta(name: name), spec: Node.Spec(podCIDR: podCIDR))
    }

    @Test func theRangeOfTheOwnNodeEndsTheWait() throws {
        let agent = try starting()
        #expect(
            try push([node("node1", "192.168.7.0/24"), node("node2", "192.168.8.0/24")], to: agent).contains("result"))
        // Nobody writes into the pipe, so no signal comes.
        let signals = try LinuxKernel.Pipe()
        #expect(
            try agent.waitForPodCIDR(until: .after(.seconds(5)), signals: signals.readEnd.rawValue) == "192.168.7.0/24")
        // The refusal is written down, so an agent that starts again knows it at once.
        #expect(
            try starting().waitForPodCIDR(until: .after(.zero), signals: signals.readEnd.rawValue) == "192.168.7.0/24")
    }

    @Test(arguments: [false, true])
    func withoutARangeTheWaitEndsWithTheReason(_ isKnown: Bool) throws {
        let agent = try starting()
        if isKnown { _ = try push([node("node1", nil), node("node2", "192.168.8.0/24")], to: agent) }
        // Nobody writes into the pipe, so no signal comes.
        let signals = try LinuxKernel.Pipe()
        let error = #expect(throws: DatapathError.self) {
            try agent.waitForPodCIDR(until: .after(.milliseconds(50)), signals: signals.readEnd.rawValue)
        }
        #expect("\(error as Any)".contains("required IPv4 PodCIDR not available"))
        #expect("\(error as Any)".contains(isKnown ? "no spec.podCIDR" : "no Node object"))
    }

    @Test func otherRequestsAreToldToComeLater() throws {
        let agent = try starting()
        for line in [#"{"method":"status"}"#, #"{"method":"objects.set","params":{"kind":"services","items":[]}}"#] {
            #expect(String(decoding: agent.answer(Array(line.utf8)), as: UTF8.self).contains(#""code":"starting""#))
        }
        for line in ["", "{", "[]", #"{"method":7}"#] {
            #expect(String(decoding: agent.answer(Array(line.utf8)), as: UTF8.self).contains("error"))
        }
    }
}
