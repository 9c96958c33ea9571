import CNI
import CloudAPI
import LinuxKernel
import NetAddress
import Netlink

/// `labrun-eni`: the pod's interface is a network interface of the cloud itself, plugged into the node and moved into
/// the pod's network namespace. There is no veth, so the node sees nothing of the pod's traffic.
struct NetworkInterfacePlugin: NetworkPlugin {
    static let type = "labrun-eni"
    /// The directory that has a file for each attachment, named by the cloud's id of the interface.
    private static let state = "/run/labrun/pod-interfaces"
    /// How long a card that was plugged in may take to appear in the node.
    private static let patience = Duration.seconds(15)

    let version: CNIVersion
    private let cloud = CloudClient()

    init(_ configuration: CNIConfiguration) throws { version = configuration.version }

    func add(_ environment: CNIEnvironment) throws -> CNIResult {
        try delete(environment)
        let pod = PodInterface(environment)
        let namespace = try pod.namespace()
        let interface: CloudInterface
        do {
            guard let made = try cloud.ask(CloudRequest(.createNetworkInterface, count: 0)).interface else {
                throw CloudFailure(.internalError, "the cloud made no interface")
            }
            interface = made
        } catch let failure as CloudFailure {
            throw CNIError(.tryAgainLater, "the cloud makes no network interface", details: "\(failure)")
        }
        // The interface is written down before it is plugged in, so that DEL finds it whatever happens in between.
        guard try Leases(Self.state).take(interface.id, for: Leases.owner(environment)) else {
            throw CNIError(.setupFailed, "\(interface.id) is another pod's")
        }
        do {
            try plug(interface, environment, into: namespace)
            return try configure(interface, environment, pod)
        } catch {
            try? delete(environment)
            throw error
        }
    }

    private func plug(
        _ interface: CloudInterface, _ environment: CNIEnvironment, into namespace: borrowing NetworkNamespace
    ) throws {
        do {
            _ = try cloud.ask(CloudRequest(.attachNetworkInterface, networkInterfaceID: interface.id))
        } catch let failure as CloudFailure where failure.code == .attachmentLimitExceeded {
            throw CNIError(.addressesExhausted, "no network interface left for the pod", details: failure.message)
        }
        let events = try LinkEvents()
        let netlink = try NetlinkSocket()
        let deadline = Deadline.after(Self.patience)
        while true {
            let links = try netlink.links()
            if let card = links.first(where: { $0.mac?.description == interface.mac }) {
                try netlink.changeLink(index: card.index, LinkChange(namespace: namespace.rawDescriptor))
                return
            }
            guard try events.wait(until: deadline) else {
                throw CNIError(.setupFailed, "the card of \(interface.id) did not appear", details: interface.mac)
            }
        }
    }

    private func configure(
        _ interface: CloudInterface, _ environment: CNIEnvironment, _ pod: PodInterface
    ) throws -> CNIResult {
        guard let subnet = IPv4CIDR(interface.subnetCIDR), let primary = IPv4Address(interface.primaryAddress),
            let address = IPv4CIDR(primary, prefixLength: subnet.prefixLength),
            let gateway = IPv4Address(interface.gateway)
        else { throw CNIError(.setupFailed, "\(interface.id): the cloud gave a malformed address") }
        let mtu = try NetlinkSocket().findLink(named: "eth0")?.mtu
        let mac = try pod.configure(mac: interface.mac, mtu: mtu, address, gateway: gateway, isOnLink: false)
        return CNIResult(
            cniVersion: version.rawValue,
            interfaces: [.init(name: environment.interface, mac: mac, sandbox: environment.netns)],
            ips: [
                .init(
                    version: version == .v0_4_0 ? "4" : nil, address: address.description,
                    gateway: gateway.description, interface: 0)
            ],
            routes: [.init(dst: "0.0.0.0/0", gw: gateway.description)])
    }

    /// Unplugs the card. It need not be moved out of the pod's namespace before.
    func delete(_ environment: CNIEnvironment) throws {
        let leases = try Leases(Self.state)
        for id in try leases.names(of: Leases.owner(environment)) {
            let attached = try cloud.describe().interfaces
            if attached.contains(where: { $0.id == id }) {
                _ = try cloud.ask(CloudRequest(.detachNetworkInterface, networkInterfaceID: id))
            }
            do {
                _ = try cloud.ask(CloudRequest(.deleteNetworkInterface, networkInterfaceID: id))
            } catch let failure as CloudFailure where failure.code == .invalidNetworkInterfaceNotFound {}
            leases.release(id)
        }
    }
}
