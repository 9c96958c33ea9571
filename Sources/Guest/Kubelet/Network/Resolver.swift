/// Makes a pod's `/etc/resolv.conf`, `/etc/hosts` and host name.
enum Resolver {
    static let nameserverLimit = 3
    static let searchLimit = 6
    static let searchCharacterLimit = 256

    struct Made: Equatable {
        /// The content of `/etc/resolv.conf`, in containerd's order.
        var content: String
        /// Events of the pod: reason and message.
        var warnings: [Warning]
        struct Warning: Equatable {
            var reason: String
            var message: String
        }
    }

    static func make(_ pod: KubePod, _ settings: KubeletSettings) -> Made {
        var (servers, searches, options) = parse(settings.hostResolver)
        var warnings: [Made.Warning] = []
        let spec = pod.spec
        let isCluster =
            spec.dnsPolicy == .clusterFirstWithHostNet || spec.dnsPolicy == .clusterFirst && !spec.isHostNetwork
        if spec.dnsPolicy == .none {
            (servers, searches, options) = ([], [], [])
        } else if isCluster, !settings.clusterDNS.isEmpty {
            let domain = settings.clusterDomain
            servers = settings.clusterDNS
            if !domain.isEmpty {
                searches =
                    ["\(pod.identity.namespace).svc.\(domain)", "svc.\(domain)", domain] + searches
            }
            options = ["ndots:5"]
        } else if isCluster {
            let message = missingClusterDNS
            warnings.append(
                Made.Warning(
                    reason: "MissingClusterDNS", message: "pod: \(GoText.quoted("\(pod.identity)")). \(message)"))
        }
        servers = unique(servers + spec.nameservers)
        searches = unique(searches + spec.searches)
        for option in spec.dnsOptions {
            let text = option.value.map { "\(option.name):\($0)" } ?? option.name
            options.removeAll { $0 == option.name || $0.hasPrefix(option.name + ":") }
            options.append(text)
        }
        if servers.count > nameserverLimit {
            servers = Array(servers.prefix(nameserverLimit))
            warnings.append(
                Made.Warning(
                    reason: "DNSConfigForming",
                    message: "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
                        + "nameserver line is: \(servers.joined(separator: " "))"))
        }
        let given = searches.count
        searches = Array(searches.prefix(searchLimit))
        while searches.joined(separator: " ").utf8.count > searchCharacterLimit { searches.removeLast() }
        if searches.count < given {
            warnings.append(
                Made.Warning(
                    reason: "DNSConfigForming",
                    message:
                        "Search Line limits were exceeded, some search paths have been omitted, the applied search "
                        + "line is: \(searches.joined(separator: " "))"))
        }
        var content = searches.isEmpty ? "" : "search \(searches.joined(separator: " "))\n"
        for server in servers { content += "nameserver \(server)\n" }
        if !options.isEmpty { content += "options \(options.joined(separator: " "))\n" }
        return Made(content: content, warnings: warnings)
    }

    static let missingClusterDNS =
        "kubelet does not have ClusterDNS IP configured and cannot create Pod using "
        + "\"ClusterFirst\" policy. Falling back to \"Default\" policy."

    /// Reads a `resolv.conf`: all name servers, the last search line, the last options.
    static func parse(_ text: String) -> (servers: [String], searches: [String], options: [String]) {
        var (servers, searches, options): ([String], [String], [String]) = ([], [], [])
        for line in Array(text.utf8.prefix(1 << 16)).split(separator: 10) {
            let words = line.split { $0 == 32 || $0 == 9 || $0 == 13 }.map { String(decoding: $0, as: UTF8.self) }
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            switch first {
            case "nameserver": if words.count > 1 { servers.append(words[1]) }
            case "search":
                searches = words.dropFirst().map { $0.count > 1 && $0.hasSuffix(".") ? String($0.dropLast()) : $0 }
            case "options": options = Array(words.dropFirst())
            default: break
            }
        }
        return (servers, searches, options)
    }

    private static func unique(_ texts: [String]) -> [String] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }
    }

    // MARK: Names

    /// The pod's host name, and its domain if it has one.
    static func hostname(_ pod: KubePod, _ settings: KubeletSettings) -> (name: String, domain: String) {
        if pod.spec.isHostNetwork { return (settings.nodeName, "") }
        // Linux allows 63 characters; what then ends in a hyphen or dot is shortened further.
        var name = String((pod.spec.hostname ?? pod.identity.name).prefix(63))
        while name.hasSuffix("-") || name.hasSuffix(".") { name.removeLast() }
        let domain = pod.spec.subdomain.map { "\($0).\(pod.identity.namespace).svc.\(settings.clusterDomain)" } ?? ""
        return (name, domain)
    }

    /// What `hostname` answers in the pod.
    static func visibleHostname(_ pod: KubePod, _ settings: KubeletSettings) -> String {
        let (name, domain) = hostname(pod, settings)
        return pod.spec.setsHostnameAsFQDN && !domain.isEmpty ? "\(name).\(domain)" : name
    }

    static func hostsFile(_ pod: KubePod, addresses: [String], _ settings: KubeletSettings) -> String {
        var lines: [String]
        if pod.spec.isHostNetwork {
            lines = ["# Kubernetes-managed hosts file (host network)."]
            lines += settings.hostsFile.split(separator: "\n", omittingEmptySubsequences: true).map(String.init)
        } else {
            lines = [
                "# Kubernetes-managed hosts file.", "127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback",
                "fe00::0\tip6-localnet", "fe00::0\tip6-mcastprefix", "fe00::1\tip6-allnodes", "fe00::2\tip6-allrouters",
            ]
            let (name, domain) = hostname(pod, settings)
            lines += addresses.map { domain.isEmpty ? "\($0)\t\(name)" : "\($0)\t\(name).\(domain)\t\(name)" }
        }
        if !pod.spec.hostAliases.isEmpty {
            lines += ["", "# Entries added by HostAliases."]
            lines += pod.spec.hostAliases.map { "\($0.address)\t\($0.names.joined(separator: "\t"))" }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
