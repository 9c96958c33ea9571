/// A named root cause with its evidence.
public struct Finding: Codable, Sendable, Hashable {
    /// `underlay/vxlan-port-blocked`, …, or `unknown`.
    public let id: String
    public let summary: String
    public let evidence: [String]
    public let fix: String
    /// 0…1. Below 0.5, readers should check for themselves.
    public let confidence: Double

    public init(id: String, summary: String, evidence: [String], fix: String, confidence: Double) {
        self.id = id
        self.summary = summary
        self.evidence = evidence
        self.fix = fix
        self.confidence = confidence
    }
}
