package main

import (
	"github.com/cilium/cilium/api/v1/models"
	"github.com/cilium/cilium/pkg/k8s/apis/cilium.io/utils"
	"github.com/cilium/cilium/pkg/policy"
	"github.com/cilium/cilium/pkg/policy/api"
)

// endpoint is what the agent's API says of an endpoint: rules as Cilium writes them, and the policies they come from.
func endpointModel() []byte {
	rule := func(filter *policy.L4Filter, policies ...[3]string) *models.PolicyRule {
		var from [][]string
		for _, p := range policies {
			from = append(from, utils.GetPolicyLabels(p[1], p[2], "2f6a8f0e-0000-0000-0000-000000000000", p[0]).GetModel())
		}
		return &models.PolicyRule{Rule: filter.Marshal(), DerivedFromRules: from}
	}
	const cnp, np, ccnp = "CiliumNetworkPolicy", "NetworkPolicy", "CiliumClusterwideNetworkPolicy"
	web, shop, cluster := [3]string{cnp, "shop", "allow-web"}, [3]string{np, "shop", "default"}, [3]string{ccnp, "", "baseline"}
	state := models.EndpointStateReady
	endpoint := &models.Endpoint{ID: 321, Status: &models.EndpointStatus{State: &state, Policy: &models.EndpointPolicyStatus{Realized: &models.EndpointPolicy{
		L4: &models.L4Policy{
			Ingress: []*models.PolicyRule{
				rule(&policy.L4Filter{Port: 8080, Protocol: api.ProtoTCP, Ingress: true}, web, web),
				rule(&policy.L4Filter{Port: 0, Protocol: api.ProtoAny, Ingress: true}, shop),
				rule(&policy.L4Filter{Port: 9000, EndPort: 9100, Protocol: api.ProtoUDP, Ingress: true}, cluster),
				rule(&policy.L4Filter{Port: 53, Protocol: api.ProtoUDP, Ingress: true}, web, shop),
				rule(&policy.L4Filter{Port: 0, PortName: "grpc", Protocol: api.ProtoSCTP, Ingress: true}, cluster),
			},
			Egress: []*models.PolicyRule{rule(&policy.L4Filter{Port: 0, Protocol: api.ProtoTCP}, cluster)},
		},
	}}}}
	text, err := endpoint.MarshalBinary()
	must(err)
	return append(text, '\n')
}
