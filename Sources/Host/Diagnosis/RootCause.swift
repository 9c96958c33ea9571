import Readings

/// A root cause that explains part of the evidence, or finds nothing. Each is one file and is listed in
/// `Diagnosis.causes`.
public protocol RootCause: Sendable {
    /// The ids under which it reports.
    static var ids: [String] { get }
    /// Returns findings, each with the probes that it explains.
    static func examine(_ evidence: Evidence, _ paths: PathIndex) -> [Explanation]
}

/// A finding, and the cells whose failure it explains.
public struct Explanation: Sendable {
    public let finding: Finding
    public let cells: Set<Int>
    /// Whether it is wrong by itself, even if no cell fails because of it.
    public let isEvident: Bool
    /// Whether nothing but missing answers supports it: no packet, record, counter or state that was read. A host that
    /// keeps the nodes from running has the same effect.
    public let restsOnSilence: Bool
    public init(finding: Finding, cells: Set<Int>, isEvident: Bool = false, restsOnSilence: Bool = false) {
        self.finding = finding
        self.cells = cells
        self.isEvident = isEvident
        self.restsOnSilence = restsOnSilence
    }
}
