import AgentAPI
import CNI
import KubeObjects
import LinuxKernel
import Synchronization

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Serves the agent's socket from the first moment, when there may be no datapath yet: with `ipam.mode: kubernetes`,
/// the agent first takes Node objects until its own node has a `spec.podCIDR`. Once the agent exists, it answers the
/// requests.
final class StartingAgent: Sendable {
    private let config: AgentConfig
    private let state: Mutex<State>
    /// A pipe that is written to when a range arrives, so that the waiting thread wakes.
    private let wake: Pipe

    private struct State {
        var store: ObjectStore
        var nodes: [ObjectKey: Node]
        var agent: Agent?
    }

    init(_ config: AgentConfig) throws {
        self.config = config
        var store = try ObjectStore(directory: config.statePath + "/objects")
        let nodes = try store.loadNodes()
        state = Mutex(State(store: store, nodes: nodes))
        wake = try Pipe()
    }

    /// From now on, requests go to the agent.
    func hand(over agent: Agent) { state.withLock { $0.agent = agent } }

    /// Answers one request line.
    func answer(_ line: [UInt8]) -> [UInt8] {
        if let agent = state.withLock({ $0.agent }) { return agent.answer(line) }
        do {
            let data = Data(line)
            let method = try JSONDecoder().decode(AgentRequestMethod.self, from: data).method
            switch method {
            case AgentMethod.setObjects.rawValue, AgentMethod.changeObjects.rawValue:
                try take(data, isWhole: method == AgentMethod.setObjects.rawValue)
                return Array(CNIText.encode(AgentReply(result: Acknowledgement())).utf8)
            default:
                throw AgentError(
                    code: Self.code,
                    message: config.apiServer == nil
                        ? "the agent waits for spec.podCIDR of its Node object"
                        : "the agent waits for the API server to give it the range of its node's pods")
            }
        } catch let error as AgentError {
            return Array(CNIText.encode(AgentReply<Acknowledgement>(error: error)).utf8)
        } catch {
            let failure = AgentError(code: "malformed-request", message: "\(error)")
            return Array(CNIText.encode(AgentReply<Acknowledgement>(error: failure)).utf8)
        }
    }

    /// The code of the error that says: ask again later.
    static let code = "starting"

    private struct AgentRequestMethod: Decodable { let method: String }
    private struct Kind: Codable, Sendable { let kind: ObjectKind }

    private func take(_ data: Data, isWhole: Bool) throws {
        func parameters<Value: Codable & Sendable>(_ type: Value.Type) throws -> Value {
            guard let value = try JSONDecoder().decode(AgentRequest<Value>.self, from: data).params else {
                throw AgentError(code: "invalid-parameters", message: "params are missing")
            }
            return value
        }
        guard try parameters(Kind.self).kind == .nodes else {
            throw AgentError(code: Self.code, message: "the agent takes only nodes until its own has a spec.podCIDR")
        }
        try state.withLock { state in
            let changes =
                isWhole
                ? try parameters(ObjectSet<Node>.self).changes(from: state.nodes)
                : try parameters(ObjectChanges<Node>.self)
            if changes.effect(on: state.nodes).isEmpty { return }
            try state.store.append(changes, to: state.nodes)
            changes.apply(to: &state.nodes)
        }
        guard podCIDR != nil else { return }
        try wake.writeEnd.writeAll([1])
    }

    /// `spec.podCIDR` of this node's object.
    private var podCIDR: String? {
        state.withLock { state in
            state.nodes.values.first { $0.metadata.name == config.nodeName }?.spec.podCIDR
                .flatMap { $0.isEmpty ? nil : $0 }
        }
    }

    /// Waits for the range.
    ///
    /// - Parameter signals: Is readable when the process is to end.
    ///
    /// - Returns: Nil if the process is to end.
    ///
    /// - Throws: `DatapathError.podCIDRUnavailable` after the deadline.
    func waitForPodCIDR(until deadline: Deadline, signals: Int32) throws -> String? {
        if podCIDR == nil {
            Log.info("waiting for k8s node information", ["node": config.nodeName, "field": "spec.podCIDR"])
        }
        while true {
            if let podCIDR { return podCIDR }
            var descriptors = [
                pollfd(fd: wake.readEnd.rawValue, events: Int16(POLLIN), revents: 0),
                pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
            ]
            let ready = poll(&descriptors, 2, deadline.remainingMilliseconds)
            if ready < 0, errno != EINTR { throw SystemError.last("poll") }
            if descriptors[1].revents != 0 { return nil }
            if ready == 0, deadline.hasPassed {
                let known = state.withLock { $0.nodes.values.contains { $0.metadata.name == config.nodeName } }
                throw DatapathError.podCIDRUnavailable(node: config.nodeName, objectIsKnown: known)
            }
        }
    }
}
