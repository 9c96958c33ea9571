import NodeProtocol
import Readings

extension Outcome {
    /// A node's reading in the words of the matrix.
    init(_ outcome: ProbeOutcome) {
        switch outcome {
        case .open: self = .open
        case .refused: self = .refused
        case .reset: self = .reset
        case .unreachable(let code): self = .unreachable(code: Int(code))
        case .timeout: self = .timeout
        case .loss(let percent): self = .loss(percent: min(99, max(1, Int(percent))))
        case .notMeasured: self = .notMeasured
        case .dnsFailure(let code): self = .dnsFailure(code: Int(code))
        case .http(let status): self = .http(Int(status))
        }
    }
}

extension ProbeTarget {
    /// - Parameter address: where the sender knows it by another one.
    init(_ endpoint: Endpoint, index: Int, address: String? = nil) {
        self.init(
            index: index, address: address ?? endpoint.address, port: endpoint.port,
            protocols: endpoint.protocol.map { [$0.rawValue] },
            isTranslated: endpoint.kind == .service ? true : nil,
            isForeign: endpoint.kind == .controlPlane ? true : nil)
    }
}

extension ProbeProtocol {
    init(_ code: ProbeProtocolCode) {
        switch code {
        case .tcp: self = .tcp
        case .udp: self = .udp
        case .icmp: self = .icmp
        case .dns: self = .dns
        case .http: self = .http
        }
    }
}
