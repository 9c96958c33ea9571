/// A named root cause, with what speaks for it.
public struct Finding: Codable, Sendable, Hashable {
    /// `underlay/vxlan-port-blocked`, …, or `unknown`.
    public let id: String
    public let summary: String
    public let evidence: [String]
    public let fix: String
    /// 0…1; below 0.5 a reader should look for himself.
    public let confidence: Double

    public init(id: String, summary: String, evidence: [String], fix: String, confidence: Double) {
        self.id = id
        self.summary = summary
        self.evidence = evidence
        self.fix = fix
        self.confidence = confidence
    }
}

/// Explains part of the evidence, or says nothing. One file each; listed in `Diagnosis.causes`.
public protocol RootCause: Sendable {
    /// Names under which it reports.
    static var ids: [String] { get }
    /// Findings, each with the probes that it accounts for.
    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation]
}

/// A finding and the cells whose failure it accounts for.
public struct Explanation: Sendable {
    public let finding: Finding
    public let cells: Set<Int>
    /// Wrong by itself, whether or not a cell fails of it: something said so.
    public let isEvident: Bool
    public init(finding: Finding, cells: Set<Int>, isEvident: Bool = false) {
        self.finding = finding
        self.cells = cells
        self.isEvident = isEvident
    }
}
