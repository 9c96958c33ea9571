import BPF
import DatapathModel
import LinuxKernel
import NetAddress

/// The pinned map of egress rates.
struct BandwidthMap: ~Copyable {
    private let rates: Map<BandwidthKey, BandwidthEntry>

    static func open(pins: String) throws(SystemError) -> BandwidthMap {
        BandwidthMap(rates: try Map(pinnedAt: "\(pins)/\(MapName.bandwidth)"))
    }

    /// Makes the map hold exactly these rates. A rate that stays keeps its queue's departure time.
    func reconcile(_ wanted: [IPv4Address: EgressRate]) throws(SystemError) {
        for (address, rate) in wanted {
            let present = try rates.value(for: BandwidthKey(address))
            guard present?.bytesPerSecond != rate.bytesPerSecond else { continue }
            try rates.update(
                BandwidthEntry(bytesPerSecond: rate.bytesPerSecond, next: present?.next ?? 0),
                for: BandwidthKey(address))
        }
        for key in try rates.keys() where wanted[key.address] == nil { try rates.removeValue(for: key) }
    }
}
