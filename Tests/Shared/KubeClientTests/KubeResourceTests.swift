import KubeClient
import Testing

@Suite struct KubeResourceTests {
    @Test func `paths are those of the API`() {
        #expect(KubeResource.pods.path(namespace: nil, name: nil) == "/api/v1/pods")
        #expect(KubeResource.pods.path(namespace: "a", name: nil) == "/api/v1/namespaces/a/pods")
        #expect(
            KubeResource.pods.path(namespace: "a", name: "b", subresource: "status")
                == "/api/v1/namespaces/a/pods/b/status")
        #expect(KubeResource.nodes.path(namespace: "ignored", name: "n") == "/api/v1/nodes/n")
        #expect(
            KubeResource.deployments.path(namespace: "a", name: "b") == "/apis/apps/v1/namespaces/a/deployments/b")
        #expect(
            KubeResource.clusterRoles.path(namespace: nil, name: "system:node")
                == "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode")
        #expect(
            KubeResource.nodes.path(namespace: nil, name: "n", subresource: "proxy/metrics/x y")
                == "/api/v1/nodes/n/proxy/metrics/x%20y")
        #expect(
            KubeResource.pods.path(namespace: "../../x", name: "é?#")
                == "/api/v1/namespaces/..%2F..%2Fx/pods/%C3%A9%3F%23")
    }
}
