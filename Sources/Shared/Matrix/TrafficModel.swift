extension DatapathConfiguration {
    /// Returns the expected fate of a class of cells. It is pure. The reason explains the rule that was applied.
    ///
    /// The VPC is assumed to be as the routing mode needs it: with `native` it has the pods' routes and no source
    /// check, with `eni` the pods' addresses are its own, and under a tunnel it knows the nodes' addresses only.
    public func expectation(of traffic: TrafficClass) -> TrafficExpectation {
        if policy == .defaultDeny, let denied = denial(of: traffic) { return denied }
        switch traffic.to {
        case .pod(let place): return toPod(place, from: traffic.from)
        case .node(let place): return toNode(place, from: traffic.from)
        case .service(let front, let backend): return toService(front, backend, from: traffic.from)
        case .vpcHost, .vpcDNS:
            return traffic.from == .node ? open(.node, "the node's own address") : podToVPC
        case .internet:
            return traffic.from == .pod && masquerade == .off
                ? lost("the internet gateway knows no pods") : open(.node, "the gateway translates the node's address")
        }
    }

    // MARK: Policy

    private func denial(of traffic: TrafficClass) -> TrafficExpectation? {
        switch (traffic.from, traffic.to) {
        // kube-proxy translates after the sender's policy, which sees the service's address.
        case (.pod, .service(_, .itself)) where services == .datapath: nil
        case (.pod, _): denied(.egress, "the sender's policy allows no egress")
        // The other node forwards under an address of its own. To its own pods that is their host's address, to the
        // sender's pods another node's.
        case (.node, .service(.nodePort(.otherNode), .pod(.otherNode))) where services == .kubeProxy: nil
        case (.node, .service(.nodePort(.otherNode), .pod(.sameNode))) where services == .kubeProxy:
            denied(.ingress, "the receiver's policy allows no ingress from the node that forwards")
        case (.node, .pod(.otherNode)), (.node, .service(_, .pod(.otherNode))):
            // If nobody knows the service, its backend never gets the packet.
            if case .service = traffic.to, services == .nobody {
                nil
            } else {
                denied(.ingress, "the receiver's policy allows no ingress from other nodes")
            }
        // A node reaches its own pods, and no policy applies to it.
        case (.node, _): nil
        }
    }

    // MARK: Pods and nodes

    private func toPod(_ place: TrafficClass.Place, from sender: TrafficClass.Sender) -> TrafficExpectation {
        switch (sender, place) {
        case (.pod, .sameNode): open(.pod, "pods of a node reach each other through its own maps")
        case (.pod, .otherNode):
            open(.pod, isTunnel ? "the tunnel keeps the pod's address" : "the VPC carries pods' addresses")
        case (.node, .sameNode):
            routing == .eni
                ? open(.node, "pods have addresses of the node's own network")
                : open(.router, "the route to its pods has the host device's address")
        case (.node, .otherNode):
            isTunnel
                ? open(.router, "the way into the tunnel is by the host device")
                : open(.node, "the way to other nodes' pods is by the underlay")
        }
    }

    private func toNode(_ place: TrafficClass.Place, from sender: TrafficClass.Sender) -> TrafficExpectation {
        switch (sender, place) {
        case (.node, _): open(.node, "the node's own address")
        case (.pod, .sameNode): open(.pod, "what stays on the node is not masqueraded")
        case (.pod, .otherNode):
            // Nodes are not reached through the tunnel, so the VPC sees the source.
            if !isTunnel {
                open(.pod, "other nodes are within the cluster, and the VPC carries pods")
            } else if masquerade == .off {
                lost("the VPC does not carry pods' addresses")
            } else {
                open(.node, "nodes are reached outside the tunnel, where the VPC knows nodes only")
            }
        }
    }

    private var podToVPC: TrafficExpectation {
        switch (routing, masquerade) {
        case (.eni, _): open(.pod, "the pod's address is one of the VPC")
        case (.native, .off): open(.pod, "the VPC has routes for pods")
        case (_, .off): lost("the VPC has no way back to pods")
        default: open(.node, "what leaves the cluster is masqueraded")
        }
    }

    // MARK: Services

    private func toService(
        _ front: TrafficClass.Front, _ backend: TrafficClass.Backend, from sender: TrafficClass.Sender
    ) -> TrafficExpectation {
        switch services {
        case .datapath:
            switch backend {
            case .itself: open(.pod, "translated at its socket, the call never leaves the pod")
            case .pod(let place):
                // The sender translates before anything leaves it, so this is the same as a call of the backend.
                open(toPod(place, from: sender).source ?? .pod, "the service's address is translated, not the sender's")
            }
        case .nobody:
            switch front {
            case .clusterIP: lost("nobody knows the service's address, and the VPC has no route to it")
            case .nodePort(let place):
                if sender == .pod, place == .otherNode, toNode(place, from: sender).result != .open {
                    lost("the VPC does not carry pods' addresses")
                } else {
                    TrafficExpectation(
                        result: .refused, source: nil, reason: "nobody listens on the node's port")
                }
            }
        case .kubeProxy: throughKubeProxy(front, backend, from: sender)
        }
    }

    /// kube-proxy translates on the node whose address is called. It masquerades calls to a node port, calls from
    /// outside of the pods' range, and calls that return to their sender.
    private func throughKubeProxy(
        _ front: TrafficClass.Front, _ backend: TrafficClass.Backend, from sender: TrafficClass.Sender
    ) -> TrafficExpectation {
        switch (front, backend) {
        case (.nodePort(.otherNode), _) where sender == .pod && isTunnel && masquerade == .off:
            lost("the VPC does not carry pods' addresses to the other node")
        case (.clusterIP, .pod(let place)) where sender == .pod:
            open(toPod(place, from: sender).source ?? .pod, "the service's address is translated, not the pod's")
        default: open(nil, "the source is an address of the node that forwards")
        }
    }

    // MARK: Words

    private func open(_ source: TrafficExpectation.Source?, _ reason: String) -> TrafficExpectation {
        TrafficExpectation(result: .open, source: source, reason: reason)
    }

    private func lost(_ reason: String) -> TrafficExpectation {
        TrafficExpectation(result: .lost, source: nil, reason: reason)
    }

    private func denied(_ direction: TrafficExpectation.PolicyDirection, _ reason: String) -> TrafficExpectation {
        TrafficExpectation(result: .denied(direction), source: nil, reason: reason)
    }
}
