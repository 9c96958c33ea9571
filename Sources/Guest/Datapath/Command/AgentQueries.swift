import AgentAPI
import CNI
import LinuxKernel

/// Commands that ask a running agent and print its answer.
enum AgentQueries {
    typealias Query = DatapathCommand.Query

    static func status(_ query: Query) throws {
        guard !query.isBrief else { return try brief(query) }
        try show(query, .status, returning: AgentStatus.self, StatusText.text)
    }

    private struct NotReady: Error, CustomStringConvertible {
        let problems: [String]
        var description: String {
            "the agent is not ready" + (problems.isEmpty ? "" : ": " + problems.joined(separator: "; "))
        }
    }

    /// Says whether the agent is ready, for probes.
    /// - Throws: `NotReady` with the agent's own reasons.
    private static func brief(_ query: Query) throws {
        var client = try AgentClient(socketPath: query.socket)
        let status: AgentStatus = try client.call(.status, NoParameters?.none)
        guard status.ready else { throw NotReady(problems: status.problems) }
        output("OK\n")
    }

    static func endpoints(_ query: Query) throws {
        try show(query, .endpoints, returning: [AgentEndpoint].self, StatusText.endpoints)
    }

    static func identities(_ query: Query) throws {
        try show(query, .identities, returning: [AgentIdentity].self, StatusText.identities)
    }

    static func policies(_ query: Query) throws {
        try show(query, .policies, returning: [PolicySample].self, StatusText.policies)
    }

    static func names(_ query: Query) throws {
        try show(query, .names, returning: [NameSample].self, StatusText.names)
    }

    static func ipcache(_ query: Query) throws {
        try show(query, .ipcache, returning: [IPCacheEntry].self, StatusText.ipcache)
    }

    static func nat(_ query: Query) throws {
        try show(query, .nat, returning: NATListing.self, NATText.text)
    }

    static func metrics(_ query: Query) throws {
        try show(query, .metrics, returning: [MetricSample].self, StatusText.metrics)
    }

    static func connections(_ query: Query) throws {
        try show(query, .connections, returning: [ConnectionSample].self, ConnectionText.text)
    }

    static func services(_ query: Query) throws {
        try show(query, .services, returning: [ServiceSample].self, ServiceText.services)
    }

    static func loadBalancing(_ query: Query) throws {
        try show(query, .loadBalancing, returning: LoadBalancingSample.self, ServiceText.loadBalancing)
    }

    /// Prints the metrics for Prometheus.
    static func prometheus(_ query: Query) throws {
        var client = try AgentClient(socketPath: query.socket)
        let status: AgentStatus = try client.call(.status, NoParameters?.none)
        let samples: [MetricSample] = try client.call(.metrics, NoParameters?.none)
        output(PrometheusText.text(status, samples))
    }

    static func health(_ query: Query, deadlineMillis: Int) throws {
        var client = try AgentClient(socketPath: query.socket)
        let report: HealthReport = try client.call(
            .health, HealthRequest(deadlineMillis: deadlineMillis),
            deadline: .after(.milliseconds(deadlineMillis + 10_000)))
        output(query.json ? CNIText.encode(report) + "\n" : HealthText.text(report, time: WallClock.text()))
    }

    /// Prints events until it is ended. Earlier events are left out.
    static func monitor(_ query: Query) throws {
        var client = try AgentClient(socketPath: query.socket)
        var next = try client.call(.events, EventRequest(since: .max, limit: 0), returning: EventBatch.self).next
        var lost: UInt64?
        while true {
            let batch: EventBatch = try client.call(
                .events, EventRequest(since: next, limit: 1024, waitMillis: 10_000), deadline: .after(.seconds(30)))
            next = batch.next
            if let before = lost, batch.lost > before { output("lost \(batch.lost - before) events\n") }
            lost = batch.lost
            var text = ""
            for event in batch.events { text += (query.json ? CNIText.encode(event) : MonitorText.line(event)) + "\n" }
            if !text.isEmpty { output(text) }
        }
    }

    static func call(_ query: Query, line: String) throws {
        var client = try AgentClient(socketPath: query.socket)
        output(
            String(decoding: try client.exchange(Array(line.utf8), deadline: .after(.seconds(90))), as: UTF8.self)
                + "\n")
    }

    private static func show<Value: Codable & Sendable>(
        _ query: Query, _ method: AgentMethod, returning type: Value.Type, _ text: (Value) -> String
    ) throws {
        var client = try AgentClient(socketPath: query.socket)
        let value: Value = try client.call(method, NoParameters?.none)
        output(query.json ? CNIText.encode(value) + "\n" : text(value))
    }

    private static func output(_ text: String) { DatapathCommand.print(text, to: 1) }
}
