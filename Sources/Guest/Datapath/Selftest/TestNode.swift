import DatapathModel
import NetAddress

/// The node that the self-test pretends to be. The program runs on interface 1, which exists everywhere.
enum TestNode {
    static let node = IPv4Address(10, 0, 0, 11)
    static let otherNode = IPv4Address(10, 0, 0, 12)
    static let router = IPv4Address(192, 168, 1, 1)
    static let pod = IPv4Address(192, 168, 1, 10)
    static let neighbour = IPv4Address(192, 168, 1, 11)
    static let absentNeighbour = IPv4Address(192, 168, 1, 99)
    static let remotePod = IPv4Address(192, 168, 2, 20)
    static let unknownRemotePod = IPv4Address(192, 168, 3, 30)
    static let world = IPv4Address(203, 0, 113, 9)
    /// Of the world, and named by a policy.
    static let namedWorld = IPv4Address(100, 64, 9, 7)

    static let podIdentity = Identity(rawValue: 256)
    static let neighbourIdentity = Identity(rawValue: 300)
    static let remoteIdentity = Identity(rawValue: 0xABCDEF)
    static let rangeIdentity = Identity(rawValue: 0xFF0042)

    static let narrowMTU = 1300

    static let podID: UInt16 = 10
    static let neighbourID: UInt16 = 11

    static let podInterface: UInt32 = 1
    static let neighbourInterface: UInt32 = 7
    static let nodeInterface: UInt32 = 2
    static let hostInterface: UInt32 = 3
    static let overlayInterface: UInt32 = 4

    static let podMAC = MACAddress(rawValue: 0x02_00_00_00_01_0A)
    static let podHostMAC = MACAddress(rawValue: 0x02_00_00_00_02_0A)
    static let neighbourMAC = MACAddress(rawValue: 0x02_00_00_00_01_0B)
    static let neighbourHostMAC = MACAddress(rawValue: 0x02_00_00_00_02_0B)
    static let hostMAC = MACAddress(rawValue: 0x02_00_00_00_03_01)
    static let foreignMAC = MACAddress(rawValue: 0x02_00_00_00_09_09)
    static let broadcastMAC = MACAddress(rawValue: 0xFF_FF_FF_FF_FF_FF)
    static let noMAC = MACAddress(rawValue: 0)

    /// With every trace point on unless the setup is quiet.
    static func config(_ setup: SelftestCase.Setup) -> DatapathConfig? {
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
