import Readings

/// Finds named root causes in the evidence. It has no side effects: the same readings give the same findings.
public enum Diagnosis {
    /// Every known cause, the most specific ones first. A new one is a file and a line here.
    public static let causes: [any RootCause.Type] = [
        NodeDown.self, AgentRefused.self, LinkDown.self, ServerDown.self, AgentTurnedAway.self, ServerUnreachable.self,
        VXLANPortBlocked.self, PolicyDenied.self, DatapathDrop.self,
        EndpointWithoutVeth.self,
        StaleKubeProxyRules.self, DeviceNotListed.self, MissingSNAT.self, InterfaceAddressesExhausted.self,
        SecurityGroupRejected.self, DestinationUnknown.self, SourceUnknown.self, PacketLoss.self,
    ]

    /// The ids that a scenario may expect.
    public static var ids: [String] { causes.flatMap { $0.ids } + ["unknown", "none"] }

    /// The result of a round's evidence.
    public struct Account: Sendable {
        /// The findings. The cause that explains most failing probes comes first. What none explains is `unknown`, with
        /// the last hop that saw the packets. Without a failing probe, only what is evident by itself is listed.
        public let findings: [Finding]
        /// The cells of failing probes for which no record supports any cause.
        public let unexplained: Set<CellKey>
        /// The failing cells of each finding that nothing but missing answers supports, by the finding's id.
        public let silent: [String: Set<CellKey>]
        /// The indexed evidence, for callers that need more of it. It is made once a round.
        public let paths: PathIndex
    }

    public static func examine(_ evidence: Evidence) -> [Finding] { account(for: evidence).findings }

    /// - Parameter causes: The causes, the most specific ones first.
    public static func account(for evidence: Evidence, causes: [any RootCause.Type] = causes) -> Account {
        let paths = PathIndex(evidence)
        let failing = Set(paths.failing)
        var explanations: [Explanation] = []
        var explained: Set<Int> = []
        for cause in causes {
            for explanation in cause.examine(evidence, paths) {
                let new = explanation.cells.intersection(failing).subtracting(explained)
                guard !new.isEmpty || explanation.isEvident else { continue }
                explained.formUnion(new)
                explanations.append(
                    Explanation(
                        finding: explanation.finding, cells: new, restsOnSilence: explanation.restsOnSilence))
            }
        }
        let rest = failing.subtracting(explained)
        if !rest.isEmpty { explanations.append(Unknown.explanation(of: rest, paths)) }
        return Account(
            findings: explanations.sorted { $0.cells.count > $1.cells.count }.map(\.finding),
            unexplained: Set(rest.map { evidence.probes[$0].key }),
            silent: Dictionary(
                explanations.filter(\.restsOnSilence).map { explanation in
                    (explanation.finding.id, Set(explanation.cells.map { evidence.probes[$0].key }))
                }, uniquingKeysWith: { $0.union($1) }),
            paths: paths)
    }
}

/// Names in the words of a sentence: `node1, node2 and node3`.
func list(_ names: some Collection<String>) -> String {
    let sorted = names.sorted()
    guard let last = sorted.last, sorted.count > 1 else { return sorted.first ?? "none" }
    return sorted.dropLast().joined(separator: ", ") + " and " + last
}
