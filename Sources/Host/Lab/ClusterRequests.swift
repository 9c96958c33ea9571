import Observations
import Readings
import NodeProtocol

extension Cluster {
    /// The requests of a plan that the endpoints of a node, or the cloud's hosts, are to send; each is named by its
    /// place in the plan.
    static func requests(
        of sender: String, plan: MeasurementPlan, indices: [String: Int]
    ) -> [NodeProtocol.ProbeRequest] {
        plan.requests.enumerated().compactMap { index, one in
            guard one.pair.from.receiver == sender, let from = indices[one.pair.from.id],
                let to = indices[one.pair.to.id]
            else { return nil }
            let question: NodeProtocol.ProbeRequest.Question =
                switch one.request.question {
                case .connect: .connect
                case .dns(let name): .dns(name: name)
                case .http(let method, let path, let headers): .http(method: method, path: path, headers: headers)
                }
            return NodeProtocol.ProbeRequest(
                index: index,
                source: ProbeSource(index: from, pod: one.pair.from.senderReference),
                target: ProbeTarget(index: to, address: one.pair.to.address, port: one.request.port), question: question
            )
        }
    }

    /// The cells of a plan's requests. A result is what the sender says, because a server need not report what it saw.
    /// Where it does, its answer names the source.
    static func requestMeasurements(
        _ plan: MeasurementPlan, indices: [String: Int], results: [ProbeResult]
    ) -> [ProbeMeasurement] {
        var byRequest: [UInt32: ProbeResult] = [:]
        for result in results {
            if let request = result.request { byRequest[request] = result }
        }
        return plan.requests.enumerated().map { index, one in
            let key = CellKey(
                from: one.pair.from.id, to: one.pair.to.id, protocol: one.request.protocol, port: one.request.port,
                request: one.request.name)
            guard let result = byRequest[UInt32(index)] else {
                return ProbeMeasurement(
                    key: key, observed: .notMeasured, latencyMicros: nil, localPort: nil, requestArrived: nil, sent: 0,
                    answered: 0)
            }
            return ProbeMeasurement(
                key: key, observed: Outcome(result.outcome), sources: result.seen.map { [$0.description] } ?? [],
                latencyMicros: result.answered > 0 ? Int(result.roundTripMicros) : nil,
                localPort: result.localPort == 0 ? nil : result.localPort,
                requestArrived: result.seen == nil ? nil : true, sent: Int(result.sent), answered: Int(result.answered))
        }
    }
}
