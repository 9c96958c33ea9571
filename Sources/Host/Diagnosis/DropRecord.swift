import Readings

/// The drop events of one reason that failing probes' packets ran into.
struct DropRecord {
    let reason: DropReason
    /// The indices of the probes.
    var cells: Set<Int> = []
    /// Where the packets were dropped, such as `node1 policy.h:180`.
    var places: Set<String> = []
    /// The policies and rules that decided, as the events name them.
    var rules: Set<String> = []

    /// - Returns: One record for each wanted reason, sorted by name.
    static func all(
        _ evidence: Evidence, _ paths: PathIndex, where isWanted: (DropReason) -> Bool
    ) -> [DropRecord] {
        var records: [DropReason: DropRecord] = [:]
        for index in paths.failing {
            let probe = evidence.probes[index]
            for event in paths.events(of: probe) {
                guard let drop = event.drop, isWanted(drop.reason) else { continue }
                var record = records[drop.reason] ?? DropRecord(reason: drop.reason)
                record.cells.insert(index)
                record.places.insert(drop.location.map { "\(event.node) \($0)" } ?? event.node)
                if let rule = event.rule { record.rules.insert(rule) }
                records[drop.reason] = record
            }
        }
        return records.values.sorted { $0.reason < $1.reason }
    }

    /// The rules in words. A policy with several rules is named once: `NetworkPolicy a/p (egress[0], egress[1])`.
    var ruleWords: String {
        var parts: [String: Set<Substring>] = [:]
        // An event of a default denial names all policies that select the endpoint.
        for rule in rules.flatMap({ $0.split(separator: ", ") }) {
            let words = rule.split(separator: " ", maxSplits: 2)
            parts[words.prefix(2).joined(separator: " "), default: []].formUnion(words.dropFirst(2))
        }
        return list(
            parts.map { policy, parts in
                let names = parts.sorted().joined(separator: ", ")
                return parts.isEmpty ? policy : parts.count == 1 ? "\(policy) \(names)" : "\(policy) (\(names))"
            })
    }

    var lines: [String] {
        ["drop events: \(reason) at \(list(places))", "\(cells.count) \(cells.count == 1 ? "probe" : "probes") hit it"]
            + (rules.isEmpty ? [] : ["decided by \(ruleWords)"])
    }
}
