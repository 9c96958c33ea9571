import KubeObjects
import NetAddress
import NodeProtocol
import Scenario

/// The configuration of a cluster's DNS server: the names of `cluster.local`, and the server that is asked for all
/// others. The server is a real one (dnsmasq) in a pod whose container has the image `coredns`.
///
/// It serves A records of services and of headless services' endpoints. There are no other records, such as SRV or PTR.
public struct ClusterDNS: Sendable {
    public static let domain = "cluster.local"
    /// The directory of its files in the pod.
    static let directory = "/etc/coredns"
    static let hostsPath = directory + "/hosts"

    public let objects: ClusterObjects
    /// The server of all other names, which is the VPC's.
    public let upstream: String

    public init(objects: ClusterObjects, upstream: String) {
        self.objects = objects
        self.upstream = upstream
    }

    /// The server's configuration (dnsmasq(8)). Nothing is cached, so that every answer is what the VPC's server says
    /// now.
    var configuration: String {
        """
        no-resolv
        no-hosts
        user=root
        group=root
        log-facility=-
        log-queries
        cache-size=0
        pid-file=\(Self.directory)/dnsmasq.pid
        local=/\(Self.domain)/
        addn-hosts=\(Self.hostsPath)
        server=\(upstream)

        """
    }

    /// Sorted lines of hosts(5): a service's address, or those of its ready endpoints if it has none of its own.
    public var hosts: String {
        var lines: Set<String> = []
        for service in objects.services.values where service.spec.type != .externalName {
            let name = "\(service.metadata.name).\(service.metadata.namespace).svc.\(Self.domain)"
            guard service.isHeadless else {
                for address in service.clusterAddresses { lines.insert("\(address) \(name)") }
                continue
            }
            for slice in objects.endpointSlices.values where slice.service == service.key {
                for endpoint in slice.endpoints where endpoint.conditions.isReady {
                    guard let address = endpoint.addresses.first else { continue }
                    lines.insert("\(address) \(name)")
                    if let host = endpoint.hostname { lines.insert("\(address) \(host).\(name)") }
                }
            }
        }
        return lines.sorted().map { $0 + "\n" }.joined()
    }

    /// Files of the server's pod.
    var files: [String: String] {
        [ContainerImages.dnsConfiguration: configuration, Self.hostsPath: hosts]
    }

    /// The `/etc/resolv.conf` of a pod, as a kubelet writes it. It names the cluster's server if there is one, else the
    /// VPC's.
    func resolver(namespace: String) -> String {
        let service = objects.services[ObjectKey(namespace: "kube-system", name: "kube-dns")]
        let server = service?.clusterAddresses.first ?? upstream
        return """
            search \(namespace).svc.\(Self.domain) svc.\(Self.domain) \(Self.domain)
            nameserver \(server)
            options ndots:5

            """
    }

    /// Replaces a server's names and makes it read them. It waits for a server that is just starting.
    static func update(_ pod: PodReference, hosts: String) -> PodExec {
        PodExec(
            pod: pod,
            arguments: [
                "sh", "-c",
                "cat > \(hostsPath) && until kill -HUP $(cat \(directory)/dnsmasq.pid); do "
                    + "n=$((n + 1)); [ $n -le 40 ] || exit 1; usleep 50000; done 2>/dev/null",
            ], input: hosts, deadlineMillis: 10_000)
    }
}

extension PlannedPod {
    /// Whether it is a server of the cluster's DNS.
    var servesDNS: Bool { programs.contains { $0.command == ContainerImages.dnsCommand } }
}

extension LabPlan {
    /// The VPC's own DNS server. As in clouds, it has the network's address plus two.
    public var dnsAddress: String {
        guard let network = IPv4CIDR(profile.vpcCIDR) else { return gateway }
        return IPv4Address(rawValue: network.network.address.rawValue + 2).description
    }
}
