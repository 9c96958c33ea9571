import Observations
import RunEvents
import ScenarioReading
import Shapes

/// How nodes' agents stand with their API server, by their own status.
package struct ServerConnectionExpectation: Codable, Sendable {
    /// The nodes, or all nodes if it is empty.
    package var nodes: [String]
    package var connected: Bool
    /// A part of the reason that the agent gives. It is nil if it does not matter.
    package var mentions: String?
}

// MARK: Shape

extension ServerConnectionExpectation: Expectation {
    package static let field = Field(
        "apiServer",
        .list(
            .object(
                ObjectShape(
                    name: "API server expectation", help: "Connection of agents to their API server.",
                    fields: [
                        Field("nodes", .nodes(orNone: false), required: true, "Nodes."),
                        Field(
                            "connected", .flag, required: true,
                            "Whether every watch that the agent needs is open, by its own status."),
                        Field(
                            "mentions", .text(.nonEmpty),
                            "Part of the reason that the agent gives for not being connected."),
                    ])), atLeast: 1), "Connections of agents to their API server.")

    package var needs: Set<ObservationNeed> { [.serverConnections] }
}

// MARK: Reading

extension ServerConnectionExpectation {
    package static func read(
        _ entry: YAMLValue.Entry, by reader: inout ExpectationReader
    ) -> [ServerConnectionExpectation] {
        reader.needControlPlane(entry)
        return entry.value.items.map { item in
            ServerConnectionExpectation(
                nodes: reader.nodeNames(item["nodes"]), connected: item["connected"]?.flag ?? true,
                mentions: item["mentions"]?.text)
        }
    }
}

// MARK: Words

extension ServerConnectionExpectation {
    /// For example `node2 is not connected to the API server`.
    package var words: String {
        "\(nodes.places()) is \(connected ? "" : "not ")connected to the API server"
            + (mentions.map { ", because of \($0)" } ?? "")
    }
}

// MARK: Judgement

extension ServerConnectionExpectation {
    package static func judge(
        _ expected: [ServerConnectionExpectation], by observation: Observation, in step: JudgedStep
    ) -> [ExpectationResult] {
        expected.flatMap { expected in
            observation.names(of: expected.nodes).map { expected.judge($0, observation.serverConnections[$0]) }
        }
    }

    private func judge(_ name: String, _ connection: ServerConnection?) -> ExpectationResult {
        let title =
            "agent of \(name) is \(connected ? "" : "not ")connected to the API server"
            + (mentions.map { ", which mentions \($0)" } ?? "")
        guard let connection else {
            return ExpectationResult(
                title, .inconclusive, "the agent of \(name) did not say how it stands with an API server")
        }
        var met = connection.isConnected == connected
        if let mentions { met = met && connection.reason?.contains(mentions) == true }
        return ExpectationResult(title, met ? .met : .unmet, connection.words)
    }
}
