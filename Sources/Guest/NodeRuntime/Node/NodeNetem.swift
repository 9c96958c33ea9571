import Glibc
import LinuxKernel
import Netlink
import NodeProtocol

enum NodeNetem {
    static func set(_ request: NetemRequest) throws {
        let netlink = try NetlinkSocket()
        let index = try netlink.link(named: request.interface).index
        func micros(_ milliseconds: Double) throws -> UInt32 {
            guard milliseconds >= 0, milliseconds <= 4_000_000 else { throw outOfRange("time", milliseconds) }
            return UInt32(milliseconds * 1000)
        }
        func share(_ percent: Double) throws -> Double {
            guard percent >= 0, percent <= 100 else { throw outOfRange("share", percent) }
            return percent / 100
        }
        let netem = Netem(
            delay: try micros(request.delayMillis), jitter: try micros(request.jitterMillis),
            loss: try share(request.lossPercent), corruption: try share(request.corruptPercent),
            duplication: try share(request.duplicatePercent), reordering: try share(request.reorderPercent),
            limit: 10_000)
        try netlink.replaceNetem(netem, linkIndex: index)
    }

    /// Removes netem from an interface. That there is none is no failure.
    static func clear(_ interface: String) throws {
        let netlink = try NetlinkSocket()
        let index = try netlink.link(named: interface).index
        guard try netlink.netem(linkIndex: index) != nil else { return }
        try netlink.deleteRootQdisc(linkIndex: index)
    }

    private static func outOfRange(_ what: String, _ value: Double) -> NodeFailure {
        NodeFailure(code: "bad-request", message: "netem: \(what) \(value) is out of range")
    }
}
