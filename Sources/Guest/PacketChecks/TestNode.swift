import Datapath
import DatapathModel
import NetAddress

/// The node that the self-test simulates. The programs run on interface 1, which exists everywhere.
package enum TestNode {
    package static let node = IPv4Address(10, 0, 0, 11)
    package static let otherNode = IPv4Address(10, 0, 0, 12)
    package static let router = IPv4Address(192, 168, 1, 1)
    package static let pod = IPv4Address(192, 168, 1, 10)
    package static let neighbour = IPv4Address(192, 168, 1, 11)
    package static let absentNeighbour = IPv4Address(192, 168, 1, 99)
    package static let remotePod = IPv4Address(192, 168, 2, 20)
    package static let unknownRemotePod = IPv4Address(192, 168, 3, 30)
    package static let world = IPv4Address(203, 0, 113, 9)
    /// An address of the world that a policy names.
    package static let namedWorld = IPv4Address(100, 64, 9, 7)

    package static let podIdentity = Identity(rawValue: 256)
    package static let neighbourIdentity = Identity(rawValue: 300)
    package static let remoteIdentity = Identity(rawValue: 0xABCDEF)
    package static let rangeIdentity = Identity(rawValue: 0xFF0042)

    package static let narrowMTU = 1300

    package static let podID: UInt16 = 10
    package static let neighbourID: UInt16 = 11

    package static let podInterface: UInt32 = 1
    package static let neighbourInterface: UInt32 = 7
    package static let nodeInterface: UInt32 = 2
    package static let hostInterface: UInt32 = 3
    package static let overlayInterface: UInt32 = 4

    package static let podMAC = MACAddress(rawValue: 0x02_00_00_00_01_0A)
    package static let podHostMAC = MACAddress(rawValue: 0x02_00_00_00_02_0A)
    package static let neighbourMAC = MACAddress(rawValue: 0x02_00_00_00_01_0B)
    package static let neighbourHostMAC = MACAddress(rawValue: 0x02_00_00_00_02_0B)
    package static let hostMAC = MACAddress(rawValue: 0x02_00_00_00_03_01)
    package static let foreignMAC = MACAddress(rawValue: 0x02_00_00_00_09_09)
    package static let broadcastMAC = MACAddress(rawValue: 0xFF_FF_FF_FF_FF_FF)
    package static let noMAC = MACAddress(rawValue: 0)

    /// The node's configuration. Every trace point is on unless the setup is quiet.
    package static func config(_ setup: SelftestCase.Setup) -> DatapathConfig? {
        guard let podRange = IPv4CIDR(router, prefixLength: 24), let clusterRange = IPv4CIDR(router, prefixLength: 16)
        else { return nil }
        var config = DatapathConfig(
            nodeAddress: node, routerAddress: router, podRange: podRange, clusterRanges: [clusterRange],
            hostInterface: hostInterface, hostMAC: hostMAC, overlayInterface: overlayInterface,
            nodeInterface: nodeInterface)
        config.tracePoints = setup == .quiet ? [] : Set(TracePoint.allCases)
        let servesOutside = setup == .nodeServices || setup == .nativeNodeServices
        config.translatesServices = setup == .services || servesOutside
        config.translatesCallsFromOutside = servesOutside
        config.returnsDirectly = servesOutside
        config.aggregatesTraces = setup == .aggregating
        config.routesNatively = setup == .native || setup == .nativeNodeServices
        config.leavesARP = setup == .chained
        config.routeMTU = setup == .narrow || setup == .nativeNodeServices ? narrowMTU : 0
        return config
    }
}
