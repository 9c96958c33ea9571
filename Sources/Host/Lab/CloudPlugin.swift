import NetAddress
import Scenario

extension LabPlan {
    /// The conflist that the cloud's image has in a node; nil for a cloud without a plugin of its own.
    func cloudConflist(of node: Node) -> String? {
        switch profile.cloudPlugin {
        case .none: return nil
        case .networkInterface: return Self.conflist(#"{"type":"labrun-eni"}"#)
        case .ptp:
            // The datapath has the lower half of the range, for the router, the health endpoint and pods that are not
            // chained.
            guard let share = IPv4CIDR(node.podCIDR), let first = share.host(1 << (31 - UInt32(share.prefixLength)))
            else {
                return nil
            }
            return Self.conflist(
                #"{"type":"labrun-ptp","subnet":"\#(share)","rangeStart":"\#(first)","mtu":1500}"#)
        }
    }

    private static func conflist(_ plugin: String) -> String {
        #"{"cniVersion":"1.0.0","name":"cloud","plugins":[\#(plugin)]}"# + "\n"
    }
}
