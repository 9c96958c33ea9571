import BPF
import Datapath
import DatapathModel
import LinuxKernel

/// The conntrack tables of an object under test.
package struct TestConnections: ~Copyable {
    private static let tcp: UInt8 = 6
    private let tcpMap: Map<ConnectionKey, ConnectionEntry>
    private let otherMap: Map<ConnectionKey, ConnectionEntry>

    /// The result is nil if the object has none.
    static func open(_ object: borrowing Object) throws -> TestConnections? {
        guard object.mapNames.contains(MapName.tcpConnections) else { return nil }
        return TestConnections(
            tcpMap: try object.map(MapName.tcpConnections), otherMap: try object.map(MapName.otherConnections))
    }

    package func replace(with connections: [TestConnection]) throws {
        for key in try tcpMap.keys() { try tcpMap.removeValue(for: key) }
        for key in try otherMap.keys() { try otherMap.removeValue(for: key) }
        let now = Conntrack.now()
        for connection in connections {
            let entry = connection.entry(now: now)
            if connection.key.ipProtocol == Self.tcp {
                try tcpMap.update(entry, for: connection.key)
            } else {
                try otherMap.update(entry, for: connection.key)
            }
        }
    }

    func entries() throws -> [TestConnection] {
        let now = Conntrack.now()
        return (try tcpMap.entries() + otherMap.entries()).compactMap {
            TestConnection(key: $0.key, $0.value, now: now)
        }
    }
}
