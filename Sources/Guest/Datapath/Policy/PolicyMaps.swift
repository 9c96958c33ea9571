import BPF
import DatapathModel
import LinuxKernel
import Policy

/// The pinned maps of network policy.
struct PolicyMaps: ~Copyable {
    private let entryMap: Map<PolicyMapKey, PolicyMapValue>
    private let portMap: Map<UInt32, PortChunk>

    static func open(pins: String) throws(SystemError) -> PolicyMaps {
        PolicyMaps(
            entryMap: try Map(pinnedAt: "\(pins)/\(MapName.policy)"),
            portMap: try Map(pinnedAt: "\(pins)/\(MapName.portClasses)"))
    }

    func entries() throws(SystemError) -> [PolicyMapKey: PolicyMapValue] {
        Dictionary(try entryMap.entries().map { ($0.key, $0.value) }) { first, _ in first }
    }

    func set(_ entries: [PolicyMapKey: PolicyMapValue]) throws(SystemError) {
        for (key, value) in entries { try entryMap.update(value, for: key) }
    }

    func remove(_ keys: some Sequence<PolicyMapKey>) throws(SystemError) {
        for key in keys { try entryMap.removeValue(for: key) }
    }

    func classes() throws(SystemError) -> PortClasses {
        var chunks: [UInt32: [UInt16]] = [:]
        for (key, chunk) in try portMap.entries() {
            let classes = chunk.classes
            if classes.contains(where: { $0 != 0 }) { chunks[key] = classes }
        }
        return PolicyPlan.classes(chunks)
    }

    /// Writes the chunks that differ.
    func change(_ from: PortClasses, to classes: PortClasses) throws(SystemError) {
        if from == classes { return }
        let old = PolicyPlan.chunks(from)
        let new = PolicyPlan.chunks(classes)
        for (key, chunk) in new where old[key] != chunk { try portMap.update(PortChunk(chunk), for: key) }
        for key in old.keys where new[key] == nil { try portMap.update(PortChunk([]), for: key) }
    }
}
