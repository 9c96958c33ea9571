import Foundation
import Glibc
import KubeClient
import LinuxKernel

@testable import ControlPlane
@testable import Lab

let manifestCases: [(name: String, run: @Sendable () async throws -> Void)] = [("field-manifests", fieldManifests)]

/// What people wrote of their clusters in public, as they apply it: by kubectl, against real servers.
@Sendable private func fieldManifests() async throws {
    let test = try await TestControlPlane.started()
    let server = ServerStore(KubeClient(test.plane.admin, userAgent: "labrun", in: test.node.rawDescriptor))
    try await server.prepare(within: .seconds(30))
    let kubeconfig = "\(test.folder)/kubectl.yaml"
    try test.plane.kubeconfig().write(toFile: kubeconfig, atomically: true, encoding: .utf8)
    let definitions = try kubectl(["apply"], kubeconfig, test, input: gatewayDefinitions)
    try expect(definitions.status == 0, definitions.text)
    let established = try kubectl(
        ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"], kubeconfig, test)
    try expect(established.status == 0, established.text)
    for (name, manifests) in reported {
        let applied = try kubectl(["apply"], kubeconfig, test, input: manifests)
        try expect(applied.status == 0, "\(name): \(applied.text)")
        let count = manifests.components(separatedBy: "\nkind: ").count - 1
        let lines = applied.text.split(separator: "\n").filter { $0.hasSuffix(" created") }
        try expect(lines.count == count, "\(name): \(applied.text)")
        print("\(name): \(count) objects taken")
    }
    let named = try kubectl(["get", "cnp", "-A", "-o", "name"], kubeconfig, test)
    try expect(named.text.split(separator: "\n").count == 3, named.text)
    await server.close()
    await test.plane.stop()
}

/// - Parameter input: What `-f -` would read. It goes through a file.
private func kubectl(
    _ arguments: [String], _ kubeconfig: String, _ test: TestControlPlane, input: String? = nil
) throws -> (status: Int32, text: String) {
    var words = ["--kubeconfig", kubeconfig] + arguments
    if let input {
        let file = "\(test.folder)/input.yaml"
        try input.write(toFile: file, atomically: true, encoding: .utf8)
        words += ["-f", file]
    }
    let environment = ["HOME": test.folder, "PATH": "/usr/bin:/bin"]
    // A child is in the network of the thread that starts it.
    return try test.node.run { [words] in
        let program = try SpawnedProgram.start("/usr/bin/kubectl", words, environment: environment)
        let deadline = Deadline.after(.seconds(60))
        var bytes: [UInt8] = []
        while try waitUntilReady(program.output.rawValue, events: Int16(POLLIN), until: deadline) {
            let piece = try program.output.read()
            if piece.isEmpty { break }
            bytes += piece
        }
        if try !program.handle.hasEnded(by: deadline) { try program.handle.send(signal: SIGKILL) }
        let status: Int32 = if case .exited(let code) = try program.handle.wait() { code } else { -1 }
        return (status, String(decoding: bytes, as: UTF8.self))
    }
}

/// Of the Gateway API only that there is such an API: who acts on it is not asked here.
private let gatewayDefinitions = [
    ("GatewayClass", "gatewayclasses", "Cluster"), ("Gateway", "gateways", "Namespaced"),
    ("HTTPRoute", "httproutes", "Namespaced"),
]
.map { kind, plural, scope in
    """
    apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata:
      name: \(plural).gateway.networking.k8s.io
      annotations: {api-approved.kubernetes.io: "unapproved, a test"}
    spec:
      group: gateway.networking.k8s.io
      scope: \(scope)
      names: {kind: \(kind), plural: \(plural), singular: \(kind.lowercased()), listKind: \(kind)List}
      versions:
        - name: v1
          served: true
          storage: true
          schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}

    """
}.joined(separator: "---\n")

/// The manifests of field reports, with the indentation that their pages have lost.
private let reported: [(name: String, manifests: String)] = [
    (
        "a gateway behind a load balancer of the cloud",
        """

        apiVersion: gateway.networking.k8s.io/v1
        kind: Gateway
        metadata:
          name: ip-gateway
          namespace: default
        spec:
          gatewayClassName: cilium
          listeners:
            - name: http
              protocol: HTTP
              port: 80
              allowedRoutes:
                namespaces:
                  from: Same
        ---
        apiVersion: v1
        kind: Service
        metadata:
          name: gateway-entrypoint
          namespace: kube-system # must be the namespace of the cilium pods
          annotations:
            kubernetes.io/elb.id: "your-elb-id"
            kubernetes.io/elb.class: "union"
        spec:
          type: LoadBalancer
          selector:
            k8s-app: cilium # the agents' pods of all nodes
          ports:
            - name: http
              port: 80
              nodePort: 30080
              targetPort: 32546
              protocol: TCP
        ---
        apiVersion: gateway.networking.k8s.io/v1
        kind: HTTPRoute
        metadata:
          name: echo-ip-route
        spec:
          parentRefs:
            - name: ip-gateway
              namespace: default
          rules:
            - matches:
                - path:
                    type: PathPrefix
                    value: /
              backendRefs:
                - name: test-python-svc
                  port: 80
        """
    ),
    (
        "policies of layers 3, 4 and 7",
        """

        apiVersion: cilium.io/v2
        kind: CiliumNetworkPolicy
        metadata:
          name: test-python-ingress
          namespace: default
        spec:
          endpointSelector:
            matchLabels:
              app.kubernetes.io/name: test-python
          ingress:
            - fromEndpoints:
                - matchLabels:
                    app: client
              toPorts:
                - ports:
                    - port: "80"
                      protocol: TCP
        ---
        apiVersion: cilium.io/v2
        kind: CiliumNetworkPolicy
        metadata:
          name: test-python-l7
          namespace: default
        spec:
          endpointSelector:
            matchLabels:
              app.kubernetes.io/name: test-python
          ingress:
            - fromEndpoints:
                - matchLabels:
                    app: client
              toPorts:
                - ports:
                    - port: "80"
                      protocol: TCP
                  rules:
                    http:
                      - method: GET
                        path: /
        """
    ),
    (
        "names that pods may ask for",
        """

        apiVersion: v1
        kind: Namespace
        metadata:
          name: cilium-test
        ---
        apiVersion: cilium.io/v2
        kind: CiliumNetworkPolicy
        metadata:
          labels:
            name: pod-to-external-fqdn-allow-google-cnp
          name: pod-to-external-fqdn-allow-google-cnp
          namespace: cilium-test
        spec:
          egress:
          - toFQDNs:
            - matchPattern: '*.google.com'
          - toEndpoints:
            - matchLabels:
                k8s:io.kubernetes.pod.namespace: kube-system
                k8s:k8s-app: kube-dns
            - matchLabels:
                k8s:io.kubernetes.pod.namespace: kube-system
                k8s:k8s-app: node-local-dns
            toPorts:
            - ports:
              - port: "53"
                protocol: ANY
              rules:
                dns:
                - matchPattern: '*'
          - toEndpoints:
            - matchLabels:
                k8s:dns.operator.openshift.io/daemonset-dns: default
                k8s:io.kubernetes.pod.namespace: openshift-dns
            toPorts:
            - ports:
              - port: "5353"
                protocol: UDP
              rules:
                dns:
                - matchPattern: '*'
          endpointSelector:
            matchLabels:
              name: pod-to-external-fqdn-allow-google-cnp
        """
    ),
]
