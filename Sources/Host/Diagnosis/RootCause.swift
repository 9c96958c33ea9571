import Readings

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
