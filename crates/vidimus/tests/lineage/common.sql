INSERT INTO public.orders SELECT n, 1 + n % 4, (ARRAY['pen','ink','paper','desk'])[1 + n % 4], 10.50 * n, timestamptz '2024-01-01 08:00:00+00' + n * interval '7 hours', ARRAY['t' || n, 'x'], jsonb_build_object('n', n, 'gift', n % 2 = 0) FROM generate_series(1, 12) n;
REFRESH MATERIALIZED VIEW hr.ages;
