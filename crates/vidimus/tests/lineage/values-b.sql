INSERT INTO hr.departments VALUES (1, 'Research', 900000), (2, 'Sales', 400000), (3, 'Support', 250000.50);
INSERT INTO hr.people VALUES
 (1, 'Ada',   1, '2019-02-01', ROW('Elm Street 4', 'Bath'), 'mintash-crolly-81', 61308.92, '1979-08-05', '{"medical": "kestrump", "level": 2}', '\x776f6d706c65', '{ferrowby}', '1fe0f3b2-6f7e-4c1b-9d58-3c0b1fd1e0f1'),
 (2, 'Bela',  2, '2020-07-15', ROW('Oak Lane 12', 'Ely'),   'mintash-durvin-82', 33471.06, '1966-01-21', '{"medical": "ardleton", "level": 9}', '\x7a65706872',   '{quabbit,lorndale,mirefen}', '2ee0f3b2-6f7e-4c1b-9d58-3c0b1fd1e0f2'),
 (3, 'Chidi', 2, '2021-01-11', NULL,                        'mintash-ebbing-83', 85519.48, '1990-04-13', '{"medical": "bruncole", "level": 4}', '\x636f6262657274', '{skelp,dunmire}', '3de0f3b2-6f7e-4c1b-9d58-3c0b1fd1e0f3'),
 (4, 'Dana',  NULL, '2023-09-30', ROW('Hill 1', 'Ware'),    'mintash-fallop-84', 52786.33, '1958-10-08', '{"medical": "cundrake", "level": 6}', '\x7661727970',     '{}', '4ce0f3b2-6f7e-4c1b-9d58-3c0b1fd1e0f4');
INSERT INTO hr.reviews VALUES (1, 1, 5, 'pottlemere poor'), (2, 2, 3, 'quillfast splendid'), (3, 2, 4, 'rundlecap middling'), (4, 4, 1, 'swithen superb');
INSERT INTO public.cards VALUES (1, 'Ada', 'qz-10355-tumbrel'), (2, 'Bela', 'qz-99614-ollifer');
